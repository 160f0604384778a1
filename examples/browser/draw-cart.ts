/** Metres from the middle to the edge of the picture; the track ends at 2.4. */
const HALF_WIDTH = 3;
const POLE_METRES = 1;
const TRACK_END = 2.4;

/** Draws a cart with its pole. @param state Its position in m and, third, the pole's angle in rad, to the right. */
export function drawCart(canvas: HTMLCanvasElement, state: Float64Array): void {
  const context = canvas.getContext('2d')!;
  const style = getComputedStyle(canvas);
  const [ink, line, accent] = ['--ink', '--line', '--weight'].map((name) => style.getPropertyValue(name));
  const { width, height } = canvas;
  const pixels = width / (2 * HALF_WIDTH); // a metre
  const ground = height * 0.85;
  const x = width / 2 + state[0] * pixels;
  context.clearRect(0, 0, width, height);

  context.fillStyle = line;
  context.fillRect(0, ground, width, 2);
  for (const end of [-TRACK_END, TRACK_END]) context.fillRect(width / 2 + end * pixels - 1, ground - 12, 2, 24);

  context.fillStyle = ink;
  context.fillRect(x - 40, ground - 30, 80, 30);
  context.strokeStyle = accent;
  context.lineWidth = 10;
  context.lineCap = 'round';
  context.beginPath();
  context.moveTo(x, ground - 30);
  context.lineTo(
    x + Math.sin(state[2]) * POLE_METRES * pixels,
    ground - 30 - Math.cos(state[2]) * POLE_METRES * pixels,
  );
  context.stroke();
}
