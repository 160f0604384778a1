// The page on which an agent is watched: the screen, in step with it what the network says, and what goes through them.
import type { RunDetails, RunRow } from '../api.ts';
import { button, make, scrolling, setText, table, tickBox } from './dom.ts';
import { shortNumber, visible } from './format.ts';
import type { Place } from './place.ts';
import { WatchChart } from './watch-chart.ts';
import { keyTable, listenToKeys } from './watch-keys.ts';
import { SPEEDS, WatchPlayer } from './watch-player.ts';
import { WatchScreen } from './watch-screen.ts';
import { WatchSource } from './watch-source.ts';
import { WatchValues } from './watch-values.ts';

/** The server forgets what nobody has asked for in a minute. */
const KEEP_MS = 20_000;
/** Steps of what goes on that are asked for at once. */
const LIVE_STEPS = 30;
/** So far ahead pictures and the like are asked for. */
const EXPECTED_STEPS = 25;

export class WatchPage {
  readonly element = make('div', { className: 'watch' });
  private readonly title = make('h2');
  private readonly about = make('p', { className: 'note' });
  private readonly problem = make('p', { className: 'problem', role: 'alert' });
  private readonly retry = button('Try again', () => this.begin());
  private readonly loading = make('p', { className: 'note', role: 'status' });
  private readonly checkpoints = make('select', {});
  private readonly slider = make('input', { type: 'range', ariaLabel: 'step', min: '0', max: '0' });
  private readonly numbers = make('p', { className: 'numbers' });
  private readonly play = button('Play', () => this.player.toggle());
  private readonly speed = make(
    'select',
    {},
    ...SPEEDS.map((speed) => make('option', { value: String(speed) }, `${speed}x`)),
  );
  private readonly saliency = tickBox('Where the network looks', false, () => this.draw());
  private readonly newest = button('Newest', () => this.player.follow(), 'Newest: go on with what is played now');
  private readonly screen = new WatchScreen();
  private readonly values = new WatchValues();
  private readonly chart = new WatchChart((step) => this.player.seek(step));
  private readonly observed = make('div', {});
  private readonly body: HTMLElement;
  private readonly player: WatchPlayer;
  private source = new WatchSource({}, () => {});
  private query: Record<string, string> = {};
  private shown = '';
  private begun = '';
  private charted = '';
  private range: [number, number] = [0, 0];

  constructor(go: (change: Partial<Place>) => void) {
    this.player = new WatchPlayer(this.element, {
      onStep: () => this.draw(),
      onTick: () => void this.pull(),
    });
    this.checkpoints.addEventListener('change', () => {
      go({ checkpoint: this.checkpoints.value === 'newest' ? undefined : this.checkpoints.value });
    });
    this.slider.addEventListener('input', () => this.player.seek(this.slider.valueAsNumber));
    this.speed.addEventListener('change', () => this.player.setSpeed(Number(this.speed.value)));
    const label = (text: string, control: HTMLElement) => make('label', {}, make('span', {}, text), control);
    const { player } = this;
    const buttons = make(
      'div',
      { className: 'controls' },
      button('◀ reward', () => player.toReward(-1), 'Previous reward'),
      button('◀', () => player.seekBy(-1), 'One step back'),
      this.play,
      button('▶', () => player.seekBy(1), 'One step on'),
      button('reward ▶', () => player.toReward(1), 'Next reward'),
      this.newest,
      label('Speed', this.speed),
      this.saliency,
    );
    this.body = make(
      'div',
      { className: 'watch-columns', hidden: true },
      make('div', {}, this.screen.element, this.slider, buttons, this.numbers),
      make('div', {}, this.values.element, this.observed),
      this.chart.element,
    );
    this.element.append(
      this.title,
      this.about,
      make('p', { className: 'controls' }, label('Network of checkpoint', this.checkpoints)),
      make('div', { className: 'controls' }, this.problem, this.retry),
      this.loading,
      this.body,
      make('details', { className: 'keys' }, make('summary', {}, 'Keys'), scrolling('keys', keyTable())),
    );
    listenToKeys(this.element, player, this.saliency.querySelector('input')!);
  }

  /** Shows what the address says; where that is what is shown already, it goes on. */
  show({ recording, isLive, checkpoint }: Place, run: RunRow, details: RunDetails): void {
    this.query = { run: run.id, ...(isLive ? { live: '' } : { recording: recording ?? '' }) };
    if (checkpoint !== undefined && !isLive) this.query.checkpoint = checkpoint;
    this.showCheckpoints(details, isLive ? undefined : checkpoint);
    this.checkpoints.disabled = isLive;
    this.newest.hidden = !isLive;
    setText(this.title, `${visible(run.name)}: ${isLive ? 'live' : visible(recording ?? '')}`);
    const shown = JSON.stringify(this.query);
    if (shown === this.shown) {
      this.player.wake();
      this.draw();
      return;
    }
    this.shown = shown;
    this.begin();
  }

  private begin(): void {
    const isLive = 'live' in this.query;
    // Another network of the same episode is shown at the same step.
    const episode = JSON.stringify([this.query.run, this.query.recording]);
    const step = !isLive && episode === this.begun ? this.player.step : 0;
    this.begun = episode;
    this.charted = '';
    this.range = [Infinity, -Infinity];
    this.body.hidden = true;
    this.source = new WatchSource(this.query, () => this.onNews());
    this.player.begin(this.source, { step, isPlaying: isLive });
    this.onNews();
    void this.pull();
  }

  /** Asks for what is not here yet, while somebody looks. */
  private async pull(): Promise<void> {
    const { source } = this;
    if (source.problem !== null) return;
    if (source.quietMs > KEEP_MS) await source.pull(0);
    else if (!('live' in this.query)) {
      if (!source.isComplete) await source.pull();
    } else if (this.player.wantsMore(LIVE_STEPS)) await source.pull(LIVE_STEPS);
  }

  /** Something has come, or has gone wrong. */
  private onNews(): void {
    const { source } = this;
    const { facts, problem } = source;
    setText(this.problem, problem === null ? '' : visible(problem));
    this.problem.hidden = problem === null;
    this.retry.hidden = problem === null;
    const isBeginning = facts === undefined && problem === null;
    const isLoading = facts !== undefined && facts.totalSteps !== null && !source.isComplete;
    const starting = 'The emulator and TensorFlow start, which takes some seconds.';
    const reading = `Played again: ${source.end} of ${facts?.totalSteps} steps.`;
    setText(this.loading, isBeginning ? starting : isLoading && problem === null ? reading : '');
    if (facts === undefined) return;
    this.player.onNews();
    if (source.at(this.player.step) === undefined) return;
    if (this.body.hidden) {
      this.body.hidden = false;
      this.screen.begin(facts);
      this.values.begin(facts);
      this.saliency.hidden = facts.sight === null || facts.screen === null;
    }
    setText(this.about, aboutWatched(source));
    this.draw();
  }

  private draw(): void {
    const { source, player } = this;
    const { facts } = source;
    const step = source.at(player.step);
    setText(this.play, player.isPlaying ? 'Pause' : 'Play');
    this.play.ariaLabel = this.play.textContent;
    if (this.speed.value !== String(player.speed)) this.speed.value = String(player.speed);
    if (facts === undefined || step === undefined || this.body.hidden) return;
    this.drawChart();
    this.chart.moveTo(player.step);
    Object.assign(this.slider, { min: String(source.oldest), max: String(source.end - 1) });
    this.slider.valueAsNumber = player.step;
    this.slider.setAttribute('aria-valuetext', `step ${player.step}`);
    const total = facts.totalSteps === null ? '' : ` of ${facts.totalSteps}`;
    setText(
      this.numbers,
      `Step ${player.step}${total}, ${visible(facts.actions[step.action])}, reward ${shortNumber(step.reward)}, ` +
        `return so far ${shortNumber(step.returnSoFar)}, value ${shortNumber(Math.max(...step.values))}`,
    );
    if (facts.screen !== null) {
      void this.screen.draw(player.step, () => source.screen(player.step));
      source.expect('screens', player.step + EXPECTED_STEPS);
    }
    const { distribution } = facts;
    const curves = distribution.kind === 'none' ? undefined : source.distributions(player.step, distribution);
    if (distribution.kind !== 'none') source.expect('distributions', player.step + EXPECTED_STEPS);
    this.values.draw(step, this.range, distribution, curves);
    const isLooking = this.saliency.querySelector('input')!.checked && !this.saliency.hidden;
    const gradients = isLooking || facts.sight === null ? source.saliency(player.step) : undefined;
    this.screen.drawOverlay(isLooking ? gradients?.levels : undefined);
    if (gradients !== undefined) source.expect('saliency', player.step + EXPECTED_STEPS);
    if (step.observation !== undefined) this.drawObserved(step.observation, gradients);
    this.element.dataset.step = String(player.step);
  }

  /** Only where steps have come: a chart of thousands of them is not drawn anew for each. */
  private drawChart(): void {
    const { oldest, end } = this.source;
    const charted = `${oldest} ${end} ${getComputedStyle(this.element).color}`;
    if (charted === this.charted) return;
    this.charted = charted;
    const steps = this.source.all();
    let [low, high] = [Infinity, -Infinity];
    for (const { values } of steps) {
      low = Math.min(low, ...values);
      high = Math.max(high, ...values);
    }
    this.range = [low, high];
    this.chart.draw(oldest, steps);
  }

  /** Where an agent sees a few numbers, they stand here, and how much the value of its action changes with each. */
  private drawObserved(observation: readonly number[], gradients: { largest: number; levels: Uint8Array } | undefined) {
    const { levels, largest = 0 } = gradients ?? {};
    const rows = observation.map((value, i) => [
      String(i),
      shortNumber(value),
      levels === undefined ? '' : shortNumber((levels[i] / 255) * largest),
    ]);
    this.observed.replaceChildren(
      make('h3', {}, 'What the agent sees'),
      table(['number', 'value', 'size of the gradient'], rows),
    );
  }

  private showCheckpoints({ checkpoints }: RunDetails, chosen: string | undefined): void {
    const kept = checkpoints.filter(({ isBest }) => !isBest).reverse();
    const best = checkpoints.find(({ isBest }) => isBest);
    const text = (step: number) => step.toLocaleString('en');
    const options: [value: string, text: string][] = [
      ['newest', kept.length === 0 ? 'newest' : `newest (${text(kept[0].step)})`],
      ...(best ? [['best', `best evaluation (${text(best.step)})`] as [string, string]] : []),
      ...kept.slice(1).map(({ step }): [string, string] => [String(step), text(step)]),
    ];
    // One that has been removed meanwhile may still be shown.
    const value = chosen ?? 'newest';
    if (!options.some(([known]) => known === value)) options.push([value, visible(value)]);
    const key = JSON.stringify(options);
    if (this.checkpoints.dataset.options !== key) {
      this.checkpoints.dataset.options = key;
      this.checkpoints.replaceChildren(...options.map(([option, shown]) => make('option', { value: option }, shown)));
    }
    this.checkpoints.value = value;
  }
}

/** "dqn in enduro, network of agent step 400,000; played by ..." */
function aboutWatched({ facts }: WatchSource): string {
  const { agent, environment, checkpoint, playedBy, epsilon } = facts!;
  const network = `network of agent step ${checkpoint.step.toLocaleString('en')}${checkpoint.isBest ? ' (best)' : ''}`;
  const player = epsilon === null ? playedBy && `played by: ${playedBy}` : `random action ${epsilon}`;
  return visible([`${agent} in ${environment}`, network, ...(player ? [player] : [])].join('; '));
}
