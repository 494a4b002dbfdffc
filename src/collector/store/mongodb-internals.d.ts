declare module 'mongodb/lib/cmap/commands.js' {
  /** A list of documents in a command, sent as a section of its own (OP_MSG, kind 1). */
  export class DocumentSequence {
    constructor(field: string);
    push(document: object, bson: Uint8Array): number;
  }
}
