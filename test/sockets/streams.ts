import { Service, type ServiceOptions, SocketStream } from '@filer/sockets';
import type { Wire } from '../protocol/wires.ts';

/** Both ends of one connection as streams, and the service that took it. */
export interface StreamPair extends AsyncDisposable {
  readonly near: SocketStream;
  readonly far: SocketStream;
}

export async function connectStreams(wire: Wire, options: ServiceOptions = {}): Promise<StreamPair> {
  const place = await wire.place();
  const { promise, resolve } = Promise.withResolvers<SocketStream>();
  const over = Promise.withResolvers<void>();
  const service = await Service.listen(
    place,
    (stream) => {
      resolve(stream);
      return over.promise;
    },
    options,
  );
  void service.serveForever();
  const near = await SocketStream.dial(wire.towards(place, service));
  const far = await promise;
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      over.resolve();
      await Promise.all([near.closed, far.closed, service.close()]);
    },
  };
}
