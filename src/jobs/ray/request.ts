import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface Answer {
  status: number;
  text: string;
}

/**
 * Sends a request and reads the whole answer; a redirection is an answer like any other. Ray refuses to change anything
 * for a `fetch`, whose headers are those of a browser.
 * @throws Error of the system, with its code, where there is no answer; with the code ETIMEDOUT where there is none in
 *   `timeoutMs`.
 */
export function send(
  url: string,
  {
    method,
    headers,
    body,
    timeoutMs,
  }: {
    method: string;
    headers: Readonly<Record<string, string>>;
    body: string | Uint8Array | undefined;
    timeoutMs: number;
  },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = (url.startsWith('https:') ? requestHttps : requestHttp)(url, {
      method,
      agent: false,
      headers: { ...headers, ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }) },
    });
    const timer = setTimeout(
      () => sent.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })),
      timeoutMs,
    );
    sent.once('error', reject);
    sent.once('close', () => clearTimeout(timer));
    sent.once('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      answer.once('error', reject);
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    sent.end(body);
  });
}
