// @ts-check
// The pages of the site, in the order in which they are read. test/docs-site.test.ts finds a page that is missing here.

/**
 * @typedef {{ text: string, link?: string, collapsed?: boolean, items?: Entry[] }} Entry a page, or a group of them
 */

/** @param {string} text @param {string} link @returns {Entry} */
const page = (text, link) => ({ text, link });

/** @type {Entry[]} */
export const pages = [
  {
    text: 'Start',
    items: [page('Tutorial', '/tutorial'), page('In another project', '/install'), page('As a library', '/library')],
  },
  {
    text: 'How-to',
    items: [
      page('An environment of your own', '/own-environment'),
      page('A network of your own', '/own-network'),
      page('An agent of your own', '/own-agent'),
      page('A loss with compile()', '/compile'),
      page('Stop and resume', '/resuming'),
      page('Compare and sweep', '/comparing'),
      page('Look at runs', '/viewer'),
      page('TensorBoard', '/tensorboard'),
      page('Record episodes', '/recordings'),
      page('Export an agent', '/exporting'),
      page('In a browser', '/browser'),
      page('Emulators on other machines', '/remote-environments'),
      page('Runs on several machines', '/several-machines'),
    ],
  },
  {
    text: 'Agents',
    items: [
      page('DQN', '/dqn'),
      page('C51', '/c51'),
      page('QR-DQN', '/qr-dqn'),
      page('IQN', '/iqn'),
      page('Rainbow', '/rainbow'),
      page('PQN', '/pqn'),
    ],
  },
  {
    text: 'Weight normalisation',
    items: [
      page('Layers and settings', '/weight-normalization'),
      page('In reinforcement learning', '/weight-normalization-in-rl'),
      {
        text: 'The normalizations',
        collapsed: true,
        items: [
          page('Comparison', '/weight-normalization/comparison'),
          page('Weight', '/weight-normalization/weight'),
          page('Centred weight', '/weight-normalization/centered-weight'),
          page('Weight standardization', '/weight-normalization/weight-standardization'),
          page('Scaled weight standardization', '/weight-normalization/scaled-weight-standardization'),
          page('Mean-only batch', '/weight-normalization/mean-only-batch'),
          page('Batch', '/weight-normalization/batch'),
          page('Layer', '/weight-normalization/layer'),
          page('Group', '/weight-normalization/group'),
          page('Data-dependent initialisation', '/weight-normalization/data-dependent-init'),
          page('Data-free initialisation', '/weight-normalization/data-free-init'),
          page('Diagnostics', '/weight-normalization/diagnostics'),
          page('Extreme values', '/weight-normalization/extreme-values'),
        ],
      },
    ],
  },
  {
    text: 'Supervised',
    items: [
      page("The paper's other experiments", '/supervised'),
      page('Data sets', '/data'),
      page('Reproduce the paper', '/reproduce'),
    ],
  },
  {
    text: 'API reference',
    items: [
      'weightnorm-rl',
      'weightnorm-rl/agents',
      'weightnorm-rl/recording',
      'weightnorm-rl/replay',
      'weightnorm-rl/runs',
      'weightnorm-rl/supervised',
      'weightnorm-rl/weightnorm',
      'gymnasium-js-bridge',
      'gymnasium-js-bridge/environments',
    ].map((entry) => page(entry, `/api/${entry}`)),
  },
  {
    text: 'Background',
    items: [
      page('Runs and their folders', '/runs'),
      page('Environments', '/vector-env'),
      page('Performance', '/performance'),
      page('Results', '/results'),
      page('Architecture', '/architecture'),
      page('Contributing', '/CONTRIBUTING'),
    ],
  },
];
