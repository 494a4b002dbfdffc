import { OTHER } from './patterns.ts';

/** Go's ports, past and future (golang/go src/internal/syslist/syslist.go, KnownOS). */
const OPERATING_SYSTEMS: ReadonlySet<string> = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows zos'.split(
    ' ',
  ),
);

/** As above, KnownArch. */
const ARCHITECTURES: ReadonlySet<string> = new Set(
  `386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le riscv riscv64
   s390 s390x sparc sparc64 wasm`.split(/\s+/),
);

/** `.status.nodeInfo.operatingSystem`: a GOOS, else "other"; empty stays empty. */
export function normaliseOperatingSystem(operatingSystem: string): string {
  return operatingSystem === '' || OPERATING_SYSTEMS.has(operatingSystem) ? operatingSystem : OTHER;
}

/** `.status.nodeInfo.architecture`: a GOARCH, else "other"; empty stays empty. */
export function normaliseArchitecture(architecture: string): string {
  return architecture === '' || ARCHITECTURES.has(architecture) ? architecture : OTHER;
}
