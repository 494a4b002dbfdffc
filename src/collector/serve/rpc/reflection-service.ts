import {
  create,
  createRegistry,
  type DescFile,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import * as v1 from '../../../../gen/grpc/reflection/v1/reflection_pb.js';
import * as v1alpha from '../../../../gen/grpc/reflection/v1alpha/reflection_pb.js';
import { createCallSlots } from './call-slots.ts';

/** Of all connections. A response with every file takes about 150 KiB until it is sent. */
const MAX_UNSENT_RESPONSES = 32;

type MessageResponse = NonNullable<MessageInitShape<typeof v1.ServerReflectionResponseSchema>['messageResponse']>;

/** Server reflection, v1 and v1alpha: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md */
export function createReflectionService(files: readonly DescFile[]): (router: ConnectRouter) => void {
  const all = withImports(files);
  const registry = createRegistry(...all);
  const serviceNames = files.flatMap(({ services }) => services.map(({ typeName }) => typeName));

  const slots = createCallSlots(MAX_UNSENT_RESPONSES, `${MAX_UNSENT_RESPONSES} reflection streams are being answered`);
  const encodedFiles = new Map<DescFile, Uint8Array>();
  const encodeFile = (file: DescFile): Uint8Array => {
    const encoded = encodedFiles.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
    encodedFiles.set(file, encoded);
    return encoded;
  };
  const fileResponseOf = (file: DescFile | undefined, name: string): MessageResponse =>
    file === undefined
      ? notFound(name)
      : { case: 'fileDescriptorResponse', value: { fileDescriptorProto: withImports([file]).map(encodeFile) } };
  const extensionsOf = (typeName: string): number[] =>
    [...registry].flatMap((desc) =>
      desc.kind === 'extension' && desc.extendee.typeName === typeName ? [desc.number] : [],
    );

  const answer = ({ messageRequest: request }: v1.ServerReflectionRequest): MessageResponse => {
    switch (request.case) {
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: serviceNames.map((name) => ({ name })) } };
      case 'fileByFilename':
        return fileResponseOf(
          all.find(({ proto }) => proto.name === request.value),
          request.value,
        );
      case 'fileContainingSymbol':
        return fileResponseOf(findSymbol(all, request.value), request.value);
      case 'fileContainingExtension': {
        const { containingType, extensionNumber } = request.value;
        const extendee = registry.getMessage(containingType);
        const extension = extendee === undefined ? undefined : registry.getExtensionFor(extendee, extensionNumber);
        return fileResponseOf(extension?.file, `${containingType} ${extensionNumber}`);
      }
      case 'allExtensionNumbersOfType':
        return registry.getMessage(request.value) === undefined
          ? notFound(request.value)
          : {
              case: 'allExtensionNumbersResponse',
              value: { baseTypeName: request.value, extensionNumber: extensionsOf(request.value) },
            };
      case undefined:
        return {
          case: 'errorResponse',
          value: { errorCode: Code.InvalidArgument, errorMessage: 'the request has no message_request' },
        };
    }
  };

  /** Connect asks for the next response once the last is sent, or the stream is closed. */
  async function* answerAll<Request>(
    requests: AsyncIterable<Request>,
    read: (request: Request) => v1.ServerReflectionRequest,
    { signal }: HandlerContext,
  ): AsyncGenerator<MessageShape<typeof v1.ServerReflectionResponseSchema>> {
    for await (const message of requests) {
      const release = slots.take();
      signal.addEventListener('abort', release, { once: true });
      try {
        const request = read(message);
        yield create(v1.ServerReflectionResponseSchema, {
          validHost: request.host,
          originalRequest: request,
          messageResponse: answer(request),
        });
      } finally {
        signal.removeEventListener('abort', release);
        release();
      }
    }
  }

  return (router) => {
    router.service(v1.ServerReflection, {
      serverReflectionInfo: (requests, context) => answerAll(requests, (request) => request, context),
    });
    router.service(v1alpha.ServerReflection, {
      async *serverReflectionInfo(requests, context) {
        const read = (request: MessageShape<typeof v1alpha.ServerReflectionRequestSchema>) =>
          convert(v1alpha.ServerReflectionRequestSchema, v1.ServerReflectionRequestSchema, request);
        for await (const response of answerAll(requests, read, context))
          yield convert(v1.ServerReflectionResponseSchema, v1alpha.ServerReflectionResponseSchema, response);
      },
    });
  };
}

/** Adds transitive imports. Imports are first, each file once. */
function withImports(files: readonly DescFile[]): DescFile[] {
  const found = new Set<DescFile>();
  const visit = (file: DescFile): void => {
    if (found.has(file)) return;
    file.dependencies.forEach(visit);
    found.add(file);
  };
  files.forEach(visit);
  return [...found];
}

function findSymbol(files: readonly DescFile[], symbol: string): DescFile | undefined {
  return files.find((file) => {
    for (const desc of nestedTypes(file)) {
      if (desc.typeName === symbol) return true;
      const members = desc.kind === 'message' ? desc.members : desc.kind === 'service' ? desc.methods : [];
      if (members.some(({ name }) => `${desc.typeName}.${name}` === symbol)) return true;
      // In protobuf, the values of an enum are its siblings, not its members.
      if (desc.kind !== 'enum') continue;
      const scope = desc.parent?.typeName ?? file.proto.package;
      if (desc.values.some(({ name }) => `${scope}.${name}` === symbol)) return true;
    }
    return false;
  });
}

function notFound(name: string): MessageResponse {
  return {
    case: 'errorResponse',
    value: { errorCode: Code.NotFound, errorMessage: `unknown: ${JSON.stringify(name)}` },
  };
}

/** The messages of v1 and v1alpha have the same encoding. */
function convert<From extends DescMessage, To extends DescMessage>(
  from: From,
  to: To,
  message: MessageInitShape<From>,
): MessageShape<To> {
  return fromBinary(to, toBinary(from, create(from, message)));
}
