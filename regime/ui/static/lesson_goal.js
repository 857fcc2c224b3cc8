// When what a step asks for is done. Goals: last; step 100; peak train_loss; kernel_change > 0.5; run wide; open lazy; go map.

// Whether a pane's shown measurement is what is looked for.
export const reached = (goal, pane) => {
  const [what, name, bound] = goal.split(' '), { run, at } = pane, value = (event, measure) => event.measures[measure] ?? -Infinity;
  if (at < 0) return false;
  if (what === 'last') return at === run.history.length - 1 && run.finished !== null;
  if (what === 'step') return run.history[at].step >= Number(name);
  if (what === 'run') return pane.name === name;
  if (what === 'peak') return run.history.every(event => value(event, name) <= value(run.history[at], name));
  return name === '>' && run.history.findIndex(event => value(event, what) > Number(bound)) === at;
};

// Does what a button that was pressed is for; returns whether that was asked for.
export const pressed = (button, goal = '') => {
  const { go } = button.dataset;
  if (go) document.querySelector(`.screens button[data-tab-id=${go}]`).click();
  return button.matches('.opens') && /^(open|go) /.test(goal);
};
