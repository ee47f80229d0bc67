import type { HttpOptions, HttpService } from './http-options.ts';

/**
 * Serves a contract, its events and the files of a page over HTTP.
 *
 * @throws FilerError `port-in-use`, `address-unusable`
 */
export async function openHttp(options: HttpOptions): Promise<HttpService> {
  // Loaded here: most commands serve nothing.
  const { HttpServer } = await import('./http-server.ts');
  return await HttpServer.open(options);
}
