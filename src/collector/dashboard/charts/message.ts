import { type Chart, drawingFrame } from '../chart.ts';
import { s } from '../element.ts';

/** A sentence in the place of a chart that has nothing to show. */
export function createMessage(text: string): Chart {
  return {
    draw(width) {
      const svg = drawingFrame(width, 48);
      svg.append(s('text', { x: 0, y: 28, class: 'name' }, text));
      return { svg, points: [], nearest: () => undefined, mark: () => undefined };
    },
    table: () => ({ columns: ['Value', 'Clusters'], rows: [] }),
  };
}
