import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { episodeSeed, SidecarError, UnknownEnvError } from 'gymnasium-js-bridge';
import { describe, expect, test } from 'vitest';
import { decodeReply, encodeRequest, errorFrom, MAX_REQUEST_BYTES, typedArray } from '../../envs/src/protocol.ts';

fc.configureGlobal({ seed: 1 }); // the same examples in every run

const seed = fc.integer({ min: 0, max: 2 ** 31 - 1 });

describe('episodeSeed', () => {
  test('is an integer in [0, 2^31), the same every time', () => {
    fc.assert(
      fc.property(seed, fc.nat(4095), seed, (run, env, episode) => {
        const value = episodeSeed(run, env, episode);
        expect(Number.isInteger(value) && value >= 0 && value < 2 ** 31).toBe(true);
        expect(episodeSeed(run, env, episode)).toBe(value);
      }),
    );
  });

  test('equals MurmurHash3 of the three words, halved', () => {
    // From an independent implementation, checked against published vectors: test/envs/python/oracle.py.
    expect([episodeSeed(0, 0, 0), episodeSeed(1, 2, 3), episodeSeed(2 ** 31 - 1, 5, 7)]).toEqual([
      1822460453, 1961608555, 1912231113,
    ]);
  });

  test('changes half of its bits on average when one input changes by one', () => {
    let flipped = 0;
    const trials = 3000;
    for (let i = 0; i < trials; i++) {
      const [run, env, episode] = [i * 7919, i % 64, i % 1000];
      const base = episodeSeed(run, env, episode);
      const other = [
        episodeSeed(run + 1, env, episode),
        episodeSeed(run, env + 1, episode),
        episodeSeed(run, env, episode + 1),
      ];
      for (let bits = base ^ other[i % 3]!; bits; bits &= bits - 1) flipped++;
    }
    expect(flipped / trials).toBeGreaterThan(15);
    expect(flipped / trials).toBeLessThan(16);
  });

  test('gives neighbouring runs, environments and episodes seeds of their own', () => {
    const seeds = new Set<number>();
    for (let run = 0; run < 10; run++) {
      for (let env = 0; env < 10; env++)
        for (let episode = 0; episode < 100; episode++) seeds.add(episodeSeed(run, env, episode));
    }
    // 10,000 draws from 2^31 meet by chance 0.02 times.
    expect(seeds.size).toBeGreaterThanOrEqual(9999);
  });
});

describe('message framing', () => {
  test('carries every field of a request, typed arrays as their little-endian bytes', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.string({ minLength: 1 }),
        fc.array(fc.integer()),
        fc.oneof(
          fc.string(),
          fc.boolean(),
          fc.double({ noNaN: true }).map((x) => x + 0),
          fc.array(fc.nat()),
        ),
        (id, op, numbers, value) => {
          const message = decode(encodeRequest(id, op, { actions: Int32Array.from(numbers), value })) as Record<
            string,
            unknown
          >;
          expect(message.id).toBe(id);
          expect(message.op).toBe(op);
          const actions = Buffer.from(message.actions as Uint8Array);
          expect(numbers.map((_, i) => actions.readInt32LE(4 * i))).toEqual(numbers);
          expect(message.value).toEqual(value);
        },
      ),
    );
  });

  test('refuses a request that the sidecar would drop', () => {
    expect(() => encodeRequest(1, 'step', { actions: new Uint8Array(MAX_REQUEST_BYTES) })).toThrow(
      'more than the 1048576 allowed',
    );
  });

  test('reads numbers at any offset, without a copy where they are aligned', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('uint8' as const, 'int32' as const, 'float32' as const, 'float64' as const),
        fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 20 }),
        fc.nat(16),
        (dtype, numbers, offset) => {
          const ArrayType = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array, float64: Float64Array }[
            dtype
          ];
          const raw = new Uint8Array(ArrayType.from(numbers).buffer);
          const bytes = new Uint8Array(offset + raw.length).subarray(offset);
          bytes.set(raw);
          const array = typedArray(bytes, dtype);
          expect(array).toBeInstanceOf(ArrayType);
          expect(Array.from(array)).toEqual(numbers);
          expect(array.buffer === bytes.buffer).toBe(offset % ArrayType.BYTES_PER_ELEMENT === 0);
        },
      ),
    );
  });

  test('takes no bytes for a reply that are none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(() => decodeReply([bytes])).toThrow('unreadable reply');
      }),
    );
    expect(() => decodeReply([encode({ id: 1 })])).toThrow('"id" and "ok"');
  });

  test('separates the header from the frames behind it', () => {
    const frame = Uint8Array.of(1, 2, 3);
    const reply = decodeReply([encode({ id: 7, ok: true, lives: Uint8Array.of(4) }), frame]);
    expect(reply).toMatchObject({ id: 7, ok: true, fields: { lives: Uint8Array.of(4) } });
    expect(reply.frames[0]).toBe(frame);
  });

  test('turns what the sidecar reports into typed errors', () => {
    const fields = { type: 'ValueError', message: 'm', traceback: 't', details: { name: 'a', suggestions: ['b'] } };
    expect(errorFrom({ kind: 'exception', ...fields })).toMatchObject({ pythonType: 'ValueError', traceback: 't' });
    expect(errorFrom({ kind: 'exception', ...fields })).toBeInstanceOf(SidecarError);
    const unknown = errorFrom({ kind: 'unknown-env', ...fields }) as UnknownEnvError;
    expect(unknown).toBeInstanceOf(UnknownEnvError);
    expect([unknown.envName, unknown.suggestions]).toEqual(['a', ['b']]);
  });
});
