// The text of a lesson, which came as parts: plain, terms that are defined or used, numbers with what they are of, links.
import { html } from './format.js';

export const termId = term => `lesson-term-${term.replaceAll(' ', '-')}`;
const outside = (href, title, text, css) => html`<a class="${css}" href="${href}" title="${title}" target="_blank" rel="noopener">${text}</a>`;

const part = each => {
  if (typeof each === 'string') return each;
  if (each.defined) return html`<strong class="defined">${each.defined}</strong>`;
  if (each.term) return html`<button type="button" class="term" popovertarget="${termId(each.term)}">${each.text}</button>`;
  if (each.number) return each.query ? outside(`?${each.query}`, `${each.title}. Press to open this run.`, each.number, 'traced') : html`<span title="${each.title}">${each.number}</span>`;
  return outside(each.link, '', each.text, 'paper');
};

export const prose = parts => html`${parts.map(part)}`;
export const paragraphs = texts => html`${texts.map(parts => html`<p>${prose(parts)}</p>`)}`;

// What a task is done with, where that is no panel: a link to a run, in a tab of its own since this one has the lesson, or a tab's name.
export const opens = (goal, runs) => {
  const [what, name] = goal.split(' ');
  if (what === 'open') return html`<p>${outside(`?${runs[name].query}`, '', 'Open this run', 'chip opens')}</p>`;
  return what === 'go' && html`<p><button type="button" class="chip opens" data-go="${name}">Show me</button></p>`;
};
