export * from './limits.ts';
export { Client, type ClientOptions } from './client.ts';
export { SocketStream } from './socket-stream.ts';
export type { FilePart } from './file-pieces.ts';
export {
  DatagramHandler,
  RequestHandler,
  StreamHandler,
  type HandlerClass,
  type HandlerFunction,
  type ServiceContext,
  type ServiceHandler,
  type ServiceRequest,
} from './request-handler.ts';
export {
  serve,
  serveDatagrams,
  Service,
  type DatagramServiceOptions,
  type ServiceOptions,
} from './service.ts';
export { dialDatagrams, DatagramLink, type ReceiveOptions } from './dial-datagrams.ts';
export {
  listenDatagrams,
  type Datagram,
  type DatagramListener,
  type DatagramListenOptions,
} from './listen-datagrams.ts';
