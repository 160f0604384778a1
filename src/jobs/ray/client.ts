// Ray's Jobs REST API, as the dashboard of a head serves it.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { RayAddressError, RayLostError } from './errors.ts';
import { type Answer, send } from './request.ts';

const jobSchema = z.object({
  submission_id: z.string().nullish(),
  status: z.enum(['PENDING', 'RUNNING', 'STOPPED', 'SUCCEEDED', 'FAILED']),
  message: z.string().nullish(),
  error_type: z.string().nullish(),
  driver_exit_code: z.number().nullish(),
  driver_agent_http_address: z.string().nullish(),
  /** Milliseconds since 1970: when it was submitted, and when it ended. */
  start_time: z.number().nullish(),
  end_time: z.number().nullish(),
});
const nodesSchema = z.object({
  data: z.object({ summary: z.array(z.object({ raylet: z.object({ state: z.string().optional() }) })) }),
});
/** What Ray says of a job. */
export type RayJob = z.infer<typeof jobSchema>;
export type RayStatus = RayJob['status'];

/** A job as `POST /api/jobs/` takes it. */
export interface Submission {
  readonly submission_id: string;
  /** A line for /bin/sh. */
  readonly entrypoint: string;
  /** What the job reserves: nothing keeps it from using more CPUs. */
  readonly entrypoint_num_cpus: number;
  readonly entrypoint_num_gpus: number;
  readonly runtime_env: { readonly env_vars: Readonly<Record<string, string>>; readonly working_dir?: string };
  readonly metadata: Readonly<Record<string, string>>;
}

/** Longer than a head on a busy machine takes for any answer. */
const ANSWER_MS = 60_000;

/** What the system says of a connection, in words. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection is refused',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name cannot be looked up now',
  ETIMEDOUT: 'no answer in time',
};

/**
 * The token as Ray's own programs find it: RAY_AUTH_TOKEN, the file that RAY_AUTH_TOKEN_PATH names, ~/.ray/auth_token.
 * @throws RayAddressError where the file that is named cannot be read.
 */
export function rayToken(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const path = env.RAY_AUTH_TOKEN_PATH || join(homedir(), '.ray/auth_token');
  let token = env.RAY_AUTH_TOKEN?.trim();
  if (!token && (env.RAY_AUTH_TOKEN_PATH || existsSync(path))) {
    try {
      token = readFileSync(path, 'utf8').trim();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new RayAddressError(`${path}: the token for Ray cannot be read (${code}): set RAY_AUTH_TOKEN_PATH`);
    }
  }
  if (token && !/^[\x21-\x7e]+$/.test(token)) {
    throw new RayAddressError(`the token for Ray (${env.RAY_AUTH_TOKEN ? 'RAY_AUTH_TOKEN' : path}) is no single word`);
  }
  return token || undefined;
}

/** Speaks with the head of a Ray cluster. Answers are checked, and every failure is one line that names the address. */
export class RayClient {
  readonly address: string;
  private readonly token: string | undefined;
  private readonly answerMs: number;
  /** Whether it has answered as Ray. */
  private isKnown = false;

  /**
   * @param address Of the dashboard, such as http://127.0.0.1:8265.
   * @param token For clusters with RAY_AUTH_MODE=token.
   * @throws RayAddressError for what is no such address.
   */
  constructor(
    address: string,
    { token, answerMs = ANSWER_MS }: { token?: string | undefined; answerMs?: number } = {},
  ) {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      throw new RayAddressError(`--ray ${address}: give the address of the head's dashboard, as in http://HOST:8265`);
    }
    if (url.username !== '' || url.password !== '') {
      throw new RayAddressError('--ray: an address holds no password: set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH');
    }
    this.address = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
    this.token = token;
    this.answerMs = answerMs;
  }

  /**
   * Makes sure that Ray answers and takes the token.
   * @returns Its version.
   * @throws RayAddressError
   */
  async connect(): Promise<string> {
    const answer = z.object({ ray_version: z.string() }).safeParse(await this.ask('GET', '/api/version'));
    if (!answer.success) throw this.notRay();
    this.isKnown = true;
    return answer.data.ray_version;
  }

  /** Whether any machine has joined the cluster: before that it takes no job. */
  async hasMachines(): Promise<boolean> {
    const answer = await this.ask('GET', '/nodes?view=summary');
    return nodesSchema.safeParse(answer).data?.data.summary.some(({ raylet }) => raylet.state === 'ALIVE') ?? false;
  }

  /** All jobs that the head remembers, by their submission ids. */
  async jobs(): Promise<Map<string, RayJob>> {
    const answer = z.array(jobSchema).safeParse(await this.ask('GET', '/api/jobs/'));
    if (!answer.success) throw this.notRay();
    return new Map(answer.data.flatMap((job) => (job.submission_id ? [[job.submission_id, job]] : [])));
  }

  /** @throws RayLostError where the cluster does not take it, such as for an id that it has already. */
  async submit(submission: Submission): Promise<void> {
    await this.ask('POST', '/api/jobs/', JSON.stringify(submission));
  }

  /** Asks a job to stop, which it does in its own time. A job that is over, or unknown, is none to stop. */
  async stop(id: string): Promise<void> {
    await this.ask('POST', `/api/jobs/${encodeURIComponent(id)}/stop`, undefined, 404);
  }

  /** What a job has written so far; undefined where it is gone, as it is with the machine that the job ran at. */
  async logs(id: string): Promise<string | undefined> {
    const answer = await this.ask('GET', `/api/jobs/${encodeURIComponent(id)}/logs`, undefined, 404, 500);
    return answer === undefined ? undefined : z.object({ logs: z.string() }).parse(answer).logs;
  }

  async hasPackage(name: string): Promise<boolean> {
    return (await this.ask('GET', `/api/packages/gcs/${name}`, undefined, 404)) !== undefined;
  }

  async putPackage(name: string, content: Uint8Array): Promise<void> {
    await this.ask('PUT', `/api/packages/gcs/${name}`, content);
  }

  /**
   * @param missing Statuses that say that what is asked for is not there: undefined is returned then.
   * @returns The answer, parsed where it is JSON.
   */
  private async ask(method: string, path: string, body?: string | Uint8Array, ...missing: number[]): Promise<unknown> {
    let answer: Answer;
    try {
      answer = await send(`${this.address}${path}`, {
        method,
        body,
        headers: {
          ...(typeof body === 'string' && { 'content-type': 'application/json' }),
          ...(this.token !== undefined && { authorization: `Bearer ${this.token}` }),
        },
        timeoutMs: this.answerMs,
      });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const reason = REASONS[code ?? ''] ?? message;
      throw this.failure(
        `--ray ${this.address}: nothing answers there (${reason})`,
        'is the cluster up, and is this its dashboard?',
      );
    }
    const { status, text } = answer;
    if (status === 401) {
      throw new RayAddressError(
        `--ray ${this.address}: the cluster asks for a token: set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH to its file`,
      );
    }
    if (status === 403) {
      const where = process.env.RAY_AUTH_TOKEN ? 'RAY_AUTH_TOKEN' : 'the token file';
      throw new RayAddressError(
        `--ray ${this.address}: the cluster refuses the token (of ${where}): give the head's own`,
      );
    }
    if (missing.includes(status)) return undefined;
    if (status !== 200) {
      if (!this.isKnown) throw this.notRay();
      throw new RayLostError(
        `Ray at ${this.address} refuses a request (${method} ${path}: ${status}): ${lastLineOf(text)}`,
      );
    }
    try {
      return text === '' ? null : JSON.parse(text);
    } catch {
      throw this.notRay();
    }
  }

  private notRay(): Error {
    const what = `--ray ${this.address}: something else than Ray answers there`;
    return this.failure(what, "give the address of the head's dashboard, as in http://HOST:8265");
  }

  /** Before the first answer the address is at fault; afterwards the cluster. */
  private failure(what: string, mend: string): Error {
    return this.isKnown ? new RayLostError(what) : new RayAddressError(`${what}: ${mend}`);
  }
}

/** The last line of a text that has words: Python's tracebacks end with it, and commands of ours that fail. */
export function lastLineOf(text: string): string {
  const line = text.split('\n').findLast((words) => /\w/.test(words)) ?? '';
  return line.trim().slice(0, 500);
}
