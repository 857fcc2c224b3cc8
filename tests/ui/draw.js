// Draws one panel of a frame, beside a pinned run or at an earlier measurement, and returns its markup.
async ([frame, name, { pinned, at }]) => {
  const { Tab } = await import('./feed.js'), { PANELS } = await import('./panels.js');
  const { progress, announce } = await import('./progress.js');
  const tab = new Tab(), root = document.createElement('section');
  tab.redraw = () => {};
  root.dataset.progress = 'step';
  document.body.replaceChildren(root);
  const take = (frame, run) => { if (!tab.take({ visit: 'v', serial: run, run, ...frame })) throw Error('a frame was refused'); };
  if (pinned) {
    take(pinned, 1);
    tab.pinned = tab.run;
  }
  take(frame, 2);
  tab.chosen = at ?? null;
  const draw = () => name === 'progress' ? [progress, announce].forEach(each => each(root, tab)) : PANELS[name](root, tab);
  draw();
  await new Promise(done => setTimeout(done, 0));
  draw();  // again, as at every frame
  return root.outerHTML;
}
