import '../node-backend.ts';
import { afterAll, describe, expect, test } from 'vitest';
import { layerWork, updateFlops } from '../../scripts/benchmark/flops.ts';
import { judge } from '../../scripts/benchmark/memory.ts';
import { Peer } from '../../scripts/benchmark/peer.ts';
import { projectPython } from '../../scripts/benchmark/peer-environment.ts';
import { natureQNetwork } from '../../src/networks/index.ts';

describe('the floating-point operations of an update', () => {
  const networks = (['weight', 'none'] as const).map((normalization) =>
    natureQNetwork({
      inputShape: [84, 84, 4],
      padding: 'valid',
      hiddenUnits: [512],
      numActions: 9,
      normalization,
      seed: 1,
    }),
  );
  afterAll(() => {
    for (const network of networks) network.dispose();
  });

  test('follow from the layer shapes, as counted by hand', () => {
    expect(layerWork(networks[0])).toEqual([
      { name: 'conv1', multiplyAdds: 20 * 20 * 32 * (8 * 8 * 4) },
      { name: 'conv2', multiplyAdds: 9 * 9 * 64 * (4 * 4 * 32) },
      { name: 'conv3', multiplyAdds: 7 * 7 * 64 * (3 * 3 * 64) },
      { name: 'dense1', multiplyAdds: 512 * 3136 },
      { name: 'q', multiplyAdds: 9 * 512 },
    ]);
    expect(updateFlops(networks[0], 32)).toBe(2_183_266_304);
  });

  test('are the same without weight norm, and grow with the batch', () => {
    expect(updateFlops(networks[1], 32)).toBe(2_183_266_304);
    expect(updateFlops(networks[1], 64)).toBe(2 * 2_183_266_304);
  });
});

describe('memory is judged after the first tenth', () => {
  const rows = (...pairs: [number, number][]) =>
    pairs.map(([numTensors, rssMegabytes]) => ({ numTensors, rssMegabytes }));

  test('constant tensors and RSS that grows by less than 2 % are constant, whatever warm-up did', () => {
    expect(judge(rows([50, 300], [62, 500], [62, 505], [62, 509]))).toEqual({
      tensorGrowth: 0,
      rssGrowth: expect.closeTo(0.018, 6),
      constant: true,
    });
  });

  test('one tensor more, or 3 % more memory, are not', () => {
    expect(judge(rows([62, 500], [62, 500], [63, 500]))).toMatchObject({ tensorGrowth: 1, constant: false });
    expect(judge(rows([62, 500], [62, 500], [62, 515])).constant).toBe(false);
    expect(judge(rows([62, 500], [62, 500], [62, 480], [62, 495])).constant).toBe(false); // also after a fall
  });

  test('memory that is given back is no growth', () => {
    const { rssGrowth, constant } = judge(rows([62, 568], [62, 568], [62, 550], [62, 552.2]));
    expect(rssGrowth).toBeCloseTo(0.004, 6);
    expect(constant).toBe(true);
  });
});

describe('a peer', () => {
  test('that cannot start says why in one line', async () => {
    const options = { game: 'no_such_game', vectors: {} };
    await expect(Peer.start(projectPython(), 'atari_direct.py', options)).rejects.toThrow(
      /^peers\/atari_direct\.py ended \(exit code 1\): TypeError: loadROM/,
    );
    await expect(Peer.start('/no/such/python', 'atari_direct.py', options)).rejects.toThrow(/ENOENT/);
  });

  test('works in its turn and ends when it is closed', async () => {
    const peer = await Peer.start(projectPython(), 'atari_direct.py', { game: 'enduro', vectors: {} });
    expect(peer.about).toMatchObject({ 'ale-py': expect.stringMatching(/^\d+\./) });
    const ms = await peer.variant('ale', 'a frame').turn(20);
    expect(ms).toBeGreaterThan(0.005);
    expect(ms).toBeLessThan(20);
    await peer.close();
    await expect(peer.variant('ale', 'a frame').turn(20)).rejects.toThrow('ended (exit code 0)');
  });
});
