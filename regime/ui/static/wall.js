// The wall of cards: fetched when its tab is first shown, filtered by outcome, each card linked, and run here one at a time.
import { address } from './address.js';
import { badge, card, details, figures, files, findings, OUTCOMES } from './card.js';
import { claimFigure } from './claim_figure.js';
import { capital, duration, fill, html } from './format.js';
import { copy } from './tools.js';

const wall = { cards: [], folder: '', shown: 'all', live: {}, going: null, stopping: false, wanted: null, asks: 0, root: null, send: null };
const PATIENCE = 8000;  // milliseconds after which a run that was stopped and does not answer counts as ended
const of = id => wall.root.querySelector(`[data-id="${CSS.escape(id)}"]`);
const cardOf = element => wall.cards.find(({ id }) => id === element.closest('article').dataset.id);

const tally = cards => {
  const counts = Object.keys(OUTCOMES).map(outcome => [outcome, cards.filter(shown => shown.outcome === outcome).length]);
  return { all: cards.length, ...Object.fromEntries(counts) };
};

// The filter and all cards; drawn once.
const build = () => {
  const counts = tally(wall.cards);
  const choice = ([name, label]) => html`<label><input type="radio" name="outcome" value="${name}"${name === wall.shown && ' checked'}${!counts[name] && ' disabled'}><span>${label} <b>${counts[name]}</b></span></label>`;
  fill(wall.root, html`<div class="wall-head"><h2>${counts.all} published claim${counts.all > 1 && 's'}, measured again</h2><fieldset class="filter"><legend class="sr-only">Outcome</legend>
    ${[['all', 'All'], ...Object.entries(OUTCOMES)].map(choice)}</fieldset></div><p class="sr-only" role="status"></p><div class="cards">${wall.cards.map(shown => card(shown, wall.folder))}</div>`);
  filter(wall.shown);
  wall.root.querySelectorAll('article').forEach(article => draw(article.querySelector('.shipped'), cardOf(article).figures));
  Object.values(wall.live).forEach(update);
};

const filter = name => {
  wall.shown = name;
  const articles = [...wall.root.querySelectorAll('article')];
  articles.forEach(article => { article.hidden = name !== 'all' && article.dataset.outcome !== name; });
  wall.root.querySelector(':scope > [role=status]').textContent = `${articles.filter(article => !article.hidden).length} of ${articles.length} cards are shown.`;
};

const seen = new IntersectionObserver(entries => entries.filter(entry => entry.isIntersecting).forEach(({ target }) => claimFigure(target, target.spec)), { rootMargin: '300px' });
const draw = (box, specs) => box.querySelectorAll('[data-figure]').forEach((root, k) => {
  root.spec = specs[k];
  seen.observe(root);
  if (root.drawn) claimFigure(root, root.spec);
});
new MutationObserver(() => wall.root?.querySelectorAll('[data-figure]').forEach(root => root.drawn && claimFigure(root, root.spec))).observe(document.body, { attributeFilter: ['class'] });

// How far a run is: its parts tell a share; between them, time goes on.
const progress = ({ place, doing, done = 0, seconds = 0, at = 0 }, { quick }) => {
  if (place) return { text: place > 1 ? `In the queue, ${place - 1} before it.` : 'Next in the queue.', share: 0 };
  const all = done > 0 ? at / done : quick?.seconds ?? 0, left = all > seconds ? `about ${duration(Math.max(1, all - seconds))} left` : 'almost done';
  return { text: [doing && capital(doing), duration(seconds), all > 0 && left].filter(Boolean).join(', '), share: all ? Math.max(done, Math.min(0.97, seconds / all)) : done };
};
const compared = ({ quick }) => quick ? ` The shipped quick form: ${OUTCOMES[quick.outcome].toLowerCase()}, in ${duration(Math.max(1, quick.seconds))} on ${quick.machine}.` : '';

// Draws what a run here has come to so far.
const update = frame => {
  const article = of(frame.id), shown = cardOf(article), box = article.querySelector('.live'), now = frame.card;
  article.classList.add('tried');
  box.hidden = false;
  if (!box.childElementCount) {
    fill(box, html`<div class="standing"><p class="id">Here and now, quick form</p><span class="verdict"></span></div><p class="state"></p><progress max="1" aria-label="Of the claim's quick form"></progress><p class="sr-only" role="status"></p><div class="numbers"></div><div class="drawn"></div><details class="files" hidden><summary class="chip">Download this run</summary><div class="menu"></div></details>`);
  }
  const { text, share } = progress(frame, shown), bar = box.querySelector('progress'), stopped = !frame.going && !now && !frame.error;
  fill(box.querySelector('.verdict'), html`${now && badge(now.outcome)}`);
  box.querySelector('.state').textContent = frame.error ?? (now ? `Done in ${duration(Math.max(1, now.seconds))}.${compared(shown)}` : stopped ? 'Stopped.' : text);
  box.querySelector('.state').classList.toggle('bad', Boolean(frame.error));
  bar.hidden = !frame.going;
  bar.value = share;
  const spoken = frame.error ?? (now ? `Finished: ${OUTCOMES[now.outcome]}` : stopped ? 'Stopped' : frame.place ? 'In the queue' : 'Running'), status = box.querySelector('[role=status]');
  if (status.textContent !== spoken) status.textContent = spoken;
  fill(box.querySelector('.numbers'), html`${frame.findings.length > 0 && findings(frame.findings)}`);
  fill(box.querySelector('.drawn'), html`${frame.figures.length > 0 && figures(frame.figures)}`);
  draw(box, frame.figures);
  const menu = box.querySelector('.files');
  menu.hidden = !frame.folder;
  fill(menu.lastElementChild, html`${frame.folder && files(now, new URL(frame.folder, document.baseURI).href)}`);
  article.querySelector('[data-act=run]').textContent = !frame.going ? 'Run it again' : wall.stopping ? 'Stopping' : 'Stop';
};

const smooth = () => matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
const ask = (...request) => wall.send([...request, ++wall.asks]);

// Runs a claim, and before it ends the one that goes on; a second press ends it.
const run = id => {
  if (wall.going) {
    wall.wanted = wall.going === id ? null : id;
    if (wall.stopping) return undefined;
    wall.stopping = true;
    update(wall.live[wall.going]);
    ask('stop');
    const { asks, going } = wall;
    return setTimeout(() => wall.going && wall.asks === asks && take({ ...wall.live[going], going: false }), PATIENCE);
  }
  wall.going = id;
  take({ id, going: true, findings: [], figures: [] });
  of(id).scrollIntoView({ block: 'nearest', behavior: smooth() });
  return ask('run', id);
};

const take = frame => {
  const before = wall.live[frame.id];
  wall.live[frame.id] = { ...frame, at: frame.done === before?.done ? before?.at : frame.seconds };
  if (!frame.going) Object.assign(wall, { going: null, stopping: false });
  if (wall.root.childElementCount > 1) update(wall.live[frame.id]);
  if (frame.going) return;
  const next = wall.wanted;
  wall.wanted = null;
  if (next) run(next);
};

const pressed = event => {
  const button = event.target.closest('[data-act]');
  if (!button) return;
  const { id } = cardOf(button);
  if (button.dataset.act === 'run') run(id);
  else copy(address(`claim=${id}`), button.parentElement.querySelector('[role=status]'));
};

// What is folded is filled when it is opened.
const opened = ({ target }) => {
  if (!target.matches('.more') || !target.open) return;
  fill(target.lastElementChild, details(cardOf(target)));
};

// Goes to the card that the page's address names.
const follow = () => {
  const id = new URLSearchParams(location.search).get('claim'), article = id && of(id);
  if (!article) return;
  article.classList.add('linked');
  article.scrollIntoView({ block: 'start' });
  article.focus({ preventScroll: true });
};

export const mount = async ({ element, props, trigger, watch }) => {
  wall.root = element.querySelector('.wall');
  wall.folder = new URL(wall.root.dataset.folder, document.baseURI).href;
  wall.send = request => {
    props.value = request;
    trigger('submit');
  };
  watch('value', () => { if (props.value?.id) take(props.value); });
  wall.root.addEventListener('click', pressed);
  wall.root.addEventListener('change', event => filter(event.target.value));
  wall.root.addEventListener('toggle', opened, true);
  const first = !wall.cards.length;
  if (first) wall.cards = await (await fetch(`${wall.folder}.json`)).json();
  build();
  if (first) follow();
};
