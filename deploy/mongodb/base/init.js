// @ts-nocheck: mongosh has globals of its own.
/* oxlint-disable */
// For mongosh. Initiates the replica set and creates its users, or sets their passwords. Idempotent: a test runs it twice.
// mongosh waits for the server at calls that it finds itself: so there are plain loops, and no functions as arguments.
const { readFileSync } = require('fs');

const SET = 'spartakus';
const DATABASE = 'spartakus';
const NOT_YET_INITIALIZED = 94;
const WAIT_MS = 600_000;
const PAUSE_MS = 5_000;
/** The password of each is the file of that name. */
const USERS = [
  { user: 'collector', roles: [{ role: 'readWrite', db: DATABASE }] },
  // For `spartakus database init`, which also sets validators.
  {
    user: 'init',
    roles: [
      { role: 'readWrite', db: DATABASE },
      { role: 'dbAdmin', db: DATABASE },
    ],
  },
  // For mongodump.
  { user: 'backup', roles: [{ role: 'backup', db: 'admin' }] },
];

const read = (file) => readFileSync(`/etc/mongodb/${file}`, 'utf8').trim();
const hosts = [0, 1, 2].map((index) => `${SET}-mongodb-${index}.${SET}-mongodb.${process.env.POD_NAMESPACE}.svc:27017`);
const passwords = USERS.map(({ user }) => read(`users/${user}`));
const missing = USERS.filter((_, index) => passwords[index] === '').map(({ user }) => user);
if (missing.length > 0) throw new Error(`the Secret ${SET}-mongodb-users has no password for ${missing.join(', ')}`);

// The user of the members themselves: its password is the content of the keyfile without whitespace, and it needs no user in the database.
const login = `__system:${encodeURIComponent(read('secret/keyfile').replace(/\s/g, ''))}`;
const OPTIONS = 'authSource=local&authMechanism=SCRAM-SHA-256&serverSelectionTimeoutMS=10000';
const directly = (host) => `mongodb://${login}@${host}/?${OPTIONS}&directConnection=true`;
const endsAt = Date.now() + WAIT_MS;

/** Whether a member belongs to a set. Members start at different times. */
function isInitiated(host) {
  for (;;) {
    try {
      new Mongo(directly(host)).getDB('admin').runCommand({ replSetGetStatus: 1 });
      return true;
    } catch (error) {
      if (error.code === NOT_YET_INITIALIZED) return false;
      if (Date.now() >= endsAt) throw error;
      print(`${host}: ${error.message}; trying again`);
    }
    sleep(PAUSE_MS);
  }
}

function openPrimary() {
  for (;;) {
    try {
      const admin = new Mongo(`mongodb://${login}@${hosts.join()}/?${OPTIONS}&replicaSet=${SET}`).getDB('admin');
      const { isWritablePrimary } = admin.hello();
      if (isWritablePrimary) return admin;
      throw new Error('there is none yet');
    } catch (error) {
      if (Date.now() >= endsAt) throw error;
      print(`the primary: ${error.message}; trying again`);
    }
    sleep(PAUSE_MS);
  }
}

// All members are asked before one is initiated: one that lost its volume would otherwise become a set of its own.
let initiated = 0;
for (const host of hosts) {
  const already = isInitiated(host);
  if (already) initiated += 1;
}
if (initiated === 0) {
  const members = hosts.map((host, index) => ({ _id: index, host }));
  new Mongo(directly(hosts[0])).getDB('admin').runCommand({ replSetInitiate: { _id: SET, members } });
  print(`initiated the replica set ${SET}`);
} else {
  print(`the replica set ${SET} exists`);
}

const admin = openPrimary();
for (const [index, { user, roles }] of USERS.entries()) {
  const found = admin.getUser(user);
  if (found === null) {
    admin.createUser({ user, pwd: passwords[index], roles });
    print(`created the user ${user}`);
  } else {
    admin.updateUser(user, { pwd: passwords[index], roles });
    print(`updated the user ${user}`);
  }
}
