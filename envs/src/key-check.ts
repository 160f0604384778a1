import { timingSafeEqual } from 'node:crypto';
import type { Context, Reply } from 'zeromq';
import { keyBytes } from './worker-keys.ts';
import { loadZeromq } from './zeromq.ts';

/** Where libzmq asks who may connect (ZeroMQ RFC 27, ZAP); there is one such place in a context. */
const ZAP_ADDRESS = 'inproc://zeromq.zap.01';
/** The name under which sockets ask; with it and `zapEnforceDomain` nobody is let in while nothing answers. */
export const ZAP_DOMAIN = 'gymnasium-js-bridge';

/**
 * Answers the sockets of a context who may connect: those that prove that they have the secret key of one of these
 * public keys. Without it CURVE lets in anyone who knows the server's public key.
 *
 * @param onRefused Hears the address of one that was refused.
 * @returns What ends it; the context's other sockets are closed first.
 */
export async function checkKeys(
  context: Context,
  allowed: readonly string[],
  onRefused: (address: string) => void,
): Promise<() => void> {
  const { Reply } = loadZeromq();
  const socket = new Reply({ context, linger: 0 });
  await socket.bind(ZAP_ADDRESS);
  // Where it ends for any reason nobody is let in any more.
  answerAll(socket, allowed.map(keyBytes), onRefused).catch(() => socket.close());
  return () => socket.close();
}

async function answerAll(socket: Reply, allowed: Buffer[], onRefused: (address: string) => void): Promise<void> {
  for await (const [version, request, domain, address, , mechanism, key] of socket) {
    const isAllowed =
      version?.toString() === '1.0' &&
      domain?.toString() === ZAP_DOMAIN &&
      mechanism?.toString() === 'CURVE' &&
      key?.length === 32 &&
      allowed.some((one) => timingSafeEqual(one, key));
    const status = isAllowed ? ['200', 'OK'] : ['400', 'unknown key'];
    // Version, request, status, text, user id, metadata.
    await socket.send(['1.0', request ?? '', ...status, '', '']);
    if (!isAllowed) onRefused(String(address));
  }
}
