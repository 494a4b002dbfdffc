import { type Drawing, FONT_FAMILY, widthOf } from './chart.ts';
import { s } from './element.ts';

export function saveText(text: string, type: string, name: string): void {
  save(new Blob([text], { type }), name);
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export interface PictureOptions {
  /** Draws the chart at a width; it is added to this element for a moment, so that the stylesheet applies. */
  readonly draw: (width: number) => Drawing;
  readonly host: HTMLElement;
  readonly title: string;
  readonly answer: string;
  readonly source: string;
  readonly name: string;
}

const WIDTH = 900;
const MARGIN = 32;
const SCALE = 2;
const STYLES = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-linejoin',
  'stroke-linecap',
  'font-size',
  'font-weight',
  'text-anchor',
  'opacity',
  'paint-order',
];

/** Saves a chart with its title, its answer and its source as a PNG file. */
export async function savePicture(options: PictureOptions): Promise<void> {
  const { draw, host, title, answer, source, name } = options;
  const { svg: chart } = draw(WIDTH - 2 * MARGIN);
  const chartHeight = Number(chart.getAttribute('height'));
  const answerLines = wrap(answer, WIDTH - 2 * MARGIN, 15);
  const sourceLines = wrap(source, WIDTH - 2 * MARGIN, 13);
  const top = MARGIN + 30 + answerLines.length * 21 + 12;
  const height = top + chartHeight + 16 + sourceLines.length * 17 + MARGIN - 12;
  const text = (line: string, y: number, style: string): SVGTextElement =>
    s('text', { x: MARGIN, y, class: style }, line);
  const picture = s(
    'svg',
    { width: WIDTH, height, viewBox: `0 0 ${WIDTH} ${height}`, class: 'picture' },
    s('rect', { width: WIDTH, height, class: 'picture-background' }),
    text(title, MARGIN + 16, 'picture-title'),
    ...answerLines.map((line, index) => text(line, MARGIN + 44 + index * 21, 'picture-answer')),
    ...sourceLines.map((line, index) => text(line, top + chartHeight + 28 + index * 17, 'tick')),
  );
  chart.setAttribute('x', String(MARGIN));
  chart.setAttribute('y', String(top));
  picture.append(chart);
  host.append(picture);
  const copy = withStyles(picture);
  picture.remove();
  const markup = new XMLSerializer().serializeToString(copy);
  const url = URL.createObjectURL(new Blob([markup], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = WIDTH * SCALE;
    canvas.height = height * SCALE;
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('this browser cannot draw pictures');
    context.scale(SCALE, SCALE);
    context.drawImage(image, 0, 0);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
    if (blob === null) throw new Error('this browser cannot make PNG files');
    save(blob, name);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** A copy whose colours and sizes are attributes, because a picture has no stylesheet. */
function withStyles(picture: SVGSVGElement): SVGSVGElement {
  const copy = picture.cloneNode(true) as SVGSVGElement;
  const originals = [picture, ...picture.querySelectorAll('*')];
  const copies = [copy, ...copy.querySelectorAll('*')];
  originals.forEach((original, index) => {
    const target = copies[index];
    if (target === undefined) return;
    const styles = getComputedStyle(original);
    for (const style of STYLES) {
      const isReference = style === 'fill' && (original.getAttribute('fill') ?? '').startsWith('url(');
      if (!isReference) target.setAttribute(style, styles.getPropertyValue(style));
    }
    target.removeAttribute('class');
  });
  copy.setAttribute('font-family', FONT_FAMILY);
  return copy;
}

function wrap(text: string, width: number, size: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && widthOf(`${line} ${word}`, 400, size) <= width)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
