/** A page of objects as an API server sends custom resources: as JSON, whole or their metadata alone, with the token of the next page. */
export function listAnswer(
  objects: readonly object[],
  target: string,
  accept: string,
): { status: number; contentType: string; body: string } {
  const query = new URL(target, 'https://kubernetes').searchParams;
  const from = Number(query.get('continue') ?? 0);
  const to = from + Number(query.get('limit') ?? objects.length);
  const isMetadataOnly = accept.includes('as=PartialObjectMetadataList');
  const page = objects.slice(from, to).map((object) => {
    if (!isMetadataOnly) return object;
    return {
      kind: 'PartialObjectMetadata',
      apiVersion: 'meta.k8s.io/v1',
      metadata: (object as { readonly metadata?: object }).metadata,
    };
  });
  const metadata = { resourceVersion: '1', continue: to < objects.length ? String(to) : '' };
  return {
    status: 200,
    contentType: 'application/json',
    body: JSON.stringify({ kind: 'List', apiVersion: 'v1', metadata, items: page }),
  };
}
