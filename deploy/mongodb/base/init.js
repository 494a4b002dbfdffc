// For mongosh. Initiates the replica set and creates its users, or sets their passwords. Idempotent: a test runs it twice.
const { readFileSync } = require('fs');

const SET = 'spartakus';
const DATABASE = 'spartakus';
const NOT_YET_INITIALIZED = 94;
const WAIT_MS = 600_000;
/** The password of each is the file of that name. */
const USERS = [
  { user: 'collector', roles: [{ role: 'readWrite', db: DATABASE }] },
  // For `spartakus database init`, which also sets validators.
  { user: 'init', roles: [{ role: 'readWrite', db: DATABASE }, { role: 'dbAdmin', db: DATABASE }] },
  // For mongodump.
  { user: 'backup', roles: [{ role: 'backup', db: 'admin' }] },
];

const read = (file) => readFileSync(`/etc/mongodb/${file}`, 'utf8').trim();
const hosts = [0, 1, 2].map((index) => `${SET}-mongodb-${index}.${SET}-mongodb.${process.env.POD_NAMESPACE}.svc:27017`);

// The user of the members themselves: its password is the content of the keyfile without whitespace, and it needs no user in the database.
const login = `__system:${encodeURIComponent(read('secret/keyfile').replace(/\s/g, ''))}`;
const adminOf = (where, options) =>
  new Mongo(`mongodb://${login}@${where}/?authSource=local&authMechanism=SCRAM-SHA-256&${options}`).getDB('admin');

/** Repeats what fails, since members start at different times. */
function retry(what, action) {
  const endsAt = Date.now() + WAIT_MS;
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (Date.now() >= endsAt) throw error;
      print(`${what}: ${error.message}; trying again`);
      sleep(5000);
    }
  }
}

/** Whether a member belongs to a set. */
function isInitiated(host) {
  const admin = adminOf(host, 'directConnection=true');
  try {
    admin.runCommand({ replSetGetStatus: 1 });
    return true;
  } catch (error) {
    if (error.code === NOT_YET_INITIALIZED) return false;
    throw error;
  }
}

// All members are asked first: if one that lost its volume were initiated alone, there would be two sets.
const initiated = hosts.filter((host) => retry(host, () => isInitiated(host)));
if (initiated.length === 0) {
  const members = hosts.map((host, _id) => ({ _id, host }));
  adminOf(hosts[0], 'directConnection=true').runCommand({ replSetInitiate: { _id: SET, members } });
  print(`initiated the replica set ${SET}`);
} else {
  print(`the replica set ${SET} exists`);
}

const admin = retry('the primary', () => {
  const primary = adminOf(hosts.join(), `replicaSet=${SET}&w=majority`);
  if (!primary.hello().isWritablePrimary) throw new Error('there is none yet');
  return primary;
});
for (const { user, roles } of USERS) {
  const pwd = read(`users/${user}`);
  if (pwd === '') throw new Error(`the password of ${user} is empty: set the key ${user} of the Secret ${SET}-mongodb-users`);
  if (admin.getUser(user) === null) {
    admin.createUser({ user, pwd, roles });
    print(`created the user ${user}`);
  } else {
    admin.updateUser(user, { pwd, roles });
    print(`updated the user ${user}`);
  }
}
