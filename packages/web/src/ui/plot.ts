import 'uplot/dist/uPlot.min.css';
import uPlot from 'uplot';

export interface Line {
  readonly name: string;
  readonly numbers: readonly (number | null)[];
}

interface Drawing {
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (number: number) => string;
  readonly width: number;
  readonly height: number;
  readonly colours: readonly string[];
  readonly text: string;
  readonly grid: string;
}

const DAY_S = 86_400;

/** A tick of the time axis. @param step between two of them, in seconds */
function timeText(at: number, step: number): string {
  const time = new Date(at * 1_000);
  return step < DAY_S
    ? time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false })
    : time.toLocaleDateString([], { day: 'numeric', month: 'short' });
}

/** Draws with uPlot; this file is loaded only then. Names are set as text by it. */
export function drawChart(place: HTMLElement, drawing: Drawing): uPlot {
  const { times, lines, format, width, height, colours, text, grid } = drawing;
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const options: uPlot.Options = {
    width,
    height,
    cursor: { y: false },
    legend: { live: true },
    scales: { y: { range: (_, min, max) => [Math.min(0, min), max === min ? max + 1 : max * 1.05] } },
    axes: [
      {
        ...axis,
        space: 64,
        values: (_, seconds, _axis, _space, step) => seconds.map((at) => timeText(at, step)),
      },
      { ...axis, size: 64, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      { value: (_: uPlot, at: number | null) => (at === null ? '–' : new Date(at * 1_000).toLocaleString()) },
      ...lines.map(({ name }, index) => ({
        label: name,
        stroke: colours[index % colours.length] ?? text,
        width: 1.5,
        points: { show: times.length < 40 },
        value: (_: uPlot, number: number | null) => (number === null ? '–' : format(number)),
      })),
    ],
  };
  return new uPlot(options, [[...times], ...lines.map(({ numbers }) => [...numbers])], place);
}
