export const COMMAND_LIST = [
  { name: 'collector', summary: 'Receive reports and store them' },
  { name: 'stats', summary: 'Print what the reports of all clusters say', takesOperands: true },
  { name: 'stats rebuild', summary: 'Compute all statistics from the stored reports again' },
  { name: 'erase', summary: 'Delete all reports of a cluster' },
  { name: 'quarantine list', summary: 'List the clusters whose reports are in quarantine' },
  { name: 'quarantine release', summary: 'Count reports that are in quarantine' },
  { name: 'quarantine drop', summary: 'Delete reports that are in quarantine' },
  { name: 'database init', summary: 'Create what the database of the collector needs' },
  { name: 'database check', summary: 'Look for damage in a database of the collector' },
  { name: 'volunteer', summary: 'Report on a Kubernetes cluster, once or periodically' },
  {
    name: 'volunteer explain',
    summary: 'Describe the fields that a volunteer would report, and the RBAC rules that it needs',
  },
  { name: 'volunteer doctor', summary: 'Check whether the next report of a volunteer would succeed' },
  { name: 'agent kubernetes', summary: 'Write a record of a Kubernetes cluster for the reporter' },
  { name: 'agent kubermatic', summary: 'Write a record of a Kubermatic installation for the reporter' },
  { name: 'reporter stdout', summary: 'Print the records of the agents as one report' },
  { name: 'reporter http', summary: 'Send the records of the agents as one report over HTTP' },
  { name: 'reporter grpc', summary: 'Send the records of the agents as one report over gRPC' },
] as const;

export type CommandName = (typeof COMMAND_LIST)[number]['name'];

/** The commands below a command or a command group, such as `volunteer` and `agent`. */
export function listSubcommands(name: string): readonly (typeof COMMAND_LIST)[number][] {
  return COMMAND_LIST.filter((command) => command.name.startsWith(`${name} `));
}
