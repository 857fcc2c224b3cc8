// One run as the page keeps it: its events, folded. Everything that is drawn is drawn from it, at any of its measurements.
export class Run {
  constructor() {
    this.config = {};
    this.started = null;
    this.history = [];  // measured events
    this.finished = null;
    this.tick = { step: 0, steps: 0, seconds_left: null };  // how far the run is
    this.status = 'running';
  }

  // Folds an event in. A measurement that is sent again without its pictures keeps them.
  take(event) {
    if (event.kind === 'started') {
      Object.assign(this, { started: event, config: event.config });
    } else if (event.kind === 'measured') {
      const before = this.history[event.at];
      const view = event.view ?? (before?.step === event.step ? before.view : undefined);
      this.history[event.at] = { ...event, view: view ?? {} };
    } else if (event.kind === 'finished') {
      Object.assign(this, { finished: event, config: event.config });
      this.history.length = event.length;  // added seeds had measured the end again
    }
  }

  get last() { return this.history.at(-1); }
  get step() { return this.tick.step; }
  get steps() { return this.tick.steps; }
  get left() { return this.tick.seconds_left ?? this.started?.estimate.seconds ?? null; }  // seconds
  get references() { return this.started?.references ?? []; }

  // [step, value] of one whole-model measure along the run.
  series(measure, part = 'measures') {
    return this.history.map(event => [event.step, event[part]?.[measure] ?? null]);
  }

  // [step, value] of a loss to come, which is known along the whole run before its first step.
  predicted(measure) {
    const forecast = this.finished ? null : this.history[0]?.view.forecast;
    return forecast?.[measure] ? forecast.steps.map((step, k) => [step, forecast[measure][k]]) : [];
  }

  // The newest pictures that were sent up to a measurement.
  view(at) {
    for (let k = at; k >= 0; k--) if (Object.keys(this.history[k]?.view ?? {}).length) return this.history[k].view;
    return {};
  }
}

// Numbers of a picture: bytes from -127 to 127 in units of `scale / 127`.
export const unpack = packed => {
  if (!packed) return new Float32Array();
  if (!unpacked.has(packed)) {
    const bytes = Int8Array.from(atob(packed.bytes), sign => sign.charCodeAt(0));
    unpacked.set(packed, Float32Array.from(bytes, value => value * packed.scale / 127));
  }
  return unpacked.get(packed);
};
const unpacked = new WeakMap();  // paths need those of all measurements at every picture
