// Source: kubernetes/apimachinery, pkg/util/validation/validation.go, IsQualifiedName and IsDNS1123Subdomain.
const MAX_PREFIX_LENGTH = 253;
const MAX_NAME_LENGTH = 63;
const NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** Why a text is not a Kubernetes qualified name, as the end of a sentence; undefined if it is one. */
export function qualifiedNameProblem(text: string): string | undefined {
  const slash = text.indexOf('/');
  const prefix = slash === -1 ? undefined : text.slice(0, slash);
  const name = text.slice(slash + 1);
  if (prefix !== undefined && (prefix.length > MAX_PREFIX_LENGTH || !SUBDOMAIN.test(prefix))) {
    return `has a prefix that is not a DNS subdomain of at most ${MAX_PREFIX_LENGTH} characters, such as "example.com"`;
  }
  if (name.length > MAX_NAME_LENGTH || !NAME.test(name)) {
    return `has a name that is not 1 to ${MAX_NAME_LENGTH} letters, digits, "-", "_" or ".", with a letter or digit at both ends`;
  }
  return undefined;
}
