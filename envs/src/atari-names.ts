/** The games that Gymnasium registers with ale-py 0.12, by the names of their ROMs. A test holds it equal to those. */
const GAMES = (
  'adventure air_raid alien amidar assault asterix asteroids atlantis atlantis2 backgammon bank_heist basic_math ' +
  'battle_zone beam_rider berzerk blackjack bowling boxing breakout carnival casino centipede chopper_command ' +
  'crazy_climber crossbow darkchambers defender demon_attack donkey_kong double_dunk earthworld elevator_action ' +
  'enduro entombed et fishing_derby flag_capture freeway frogger frostbite galaxian gopher gravitar hangman ' +
  'haunted_house hero human_cannonball ice_hockey jamesbond journey_escape kaboom kangaroo keystone_kapers ' +
  'king_kong klax koolaid krull kung_fu_master laser_gates lost_luggage mario_bros miniature_golf montezuma_revenge ' +
  'mr_do ms_pacman name_this_game othello pacman phoenix pitfall pitfall2 pong pooyan private_eye qbert riverraid ' +
  'road_runner robotank seaquest sir_lancelot skiing solaris space_invaders space_war star_gunner superman surround ' +
  'tennis tetris tic_tac_toe_3d time_pilot trondead turmoil tutankham up_n_down venture video_checkers video_chess ' +
  'video_cube video_pinball wizard_of_wor word_zapper yars_revenge zaxxon'
).split(' ');

const squash = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
/** By the letters and digits of the name, the name that Gymnasium gives the game: SpaceInvaders for space_invaders. */
const gameOf = new Map(
  GAMES.map((rom) => [squash(rom), rom.replaceAll(/(?:^|_)(\w)/g, (_, first: string) => first.toUpperCase())]),
);

/** The parts of a spelling: `ALE/`, the name, `-ram`, how frames are skipped, the version. */
const SPELLING = /^(ALE\/)?(.*?)(-ram)?(NoFrameskip|Deterministic)?(-v\d+)?$/;

/**
 * The one name of an Atari game, Gymnasium's, in any spelling: SpaceInvaders for space_invaders, SpaceInvaders,
 * ALE/SpaceInvaders-v5, SpaceInvadersNoFrameskip-v4. Undefined for what is none of the known games.
 */
export function atariGame(name: string): string | undefined {
  const [, , base, ram] = SPELLING.exec(name.trim())!;
  return ram === undefined ? gameOf.get(squash(base!)) : undefined;
}

/**
 * Whether a Gymnasium id is that of an Atari game: ALE/Pong-v5, PongNoFrameskip-v4, Pong-v4, Pong. Blackjack-v1 is not,
 * which is a game of cards of Gymnasium's own.
 */
export function isAtariId(id: string): boolean {
  const [, namespace, base, ram, skip, version] = SPELLING.exec(id)!;
  if (namespace !== undefined) return true;
  if (/[:/]/.test(base!)) return false;
  const game = gameOf.get(squash(base!));
  if (ram !== undefined || skip !== undefined) return game !== undefined;
  return game !== undefined && (version === undefined ? game !== 'Blackjack' : /^-v[045]$/.test(version));
}
