/** The header of version 2 of the PROXY protocol: the low half of the 13th byte is the command, `body` are addresses and TLVs. */
export function proxyHeaderV2(command: number, family: number, body: Buffer): Buffer {
  const fixed = Buffer.from('0d0a0d0a000d0a515549540a00000000', 'hex');
  fixed[12] = 0x20 | command;
  fixed[13] = family;
  fixed.writeUInt16BE(body.length, 14);
  return Buffer.concat([fixed, body]);
}

/** For a client at an IPv4 address, with its port 4711, and a TLV of so many bytes. */
export function proxyHeaderV2Of(address: string, tlvBytes = 0): Buffer {
  const addresses = Buffer.from([...address.split('.').map(Number), 10, 0, 0, 1, 0x12, 0x67, 0x1f, 0x90]);
  const tlv = tlvBytes === 0 ? [] : [0x04, tlvBytes >> 8, tlvBytes & 0xff, ...Buffer.alloc(tlvBytes)];
  return proxyHeaderV2(1, 0x11, Buffer.concat([addresses, Buffer.from(tlv)]));
}

export function proxyHeaderV1Of(address: string): Buffer {
  return Buffer.from(`PROXY TCP4 ${address} 10.0.0.1 4711 8080\r\n`);
}
