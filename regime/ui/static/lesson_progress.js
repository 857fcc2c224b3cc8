// Which steps are done, kept in this browser where it allows that.
const PLACE = 'regime-lessons';

const read = () => {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE));
    return Array.isArray(kept) ? kept : [];
  } catch {  // not allowed, as in some frames
    return [];
  }
};

// `keys` are those of all steps, lesson by lesson.
export const progress = keys => {
  const done = new Set(read());
  return {
    has: key => done.has(key),
    complete: lesson => keys[lesson].every(key => done.has(key)),
    // The first step that is not done.
    first: () => {
      const lesson = Math.max(0, keys.findIndex(steps => steps.some(key => !done.has(key))));
      return [lesson, Math.max(0, keys[lesson].findIndex(key => !done.has(key)))];
    },
    add: key => {
      if (done.has(key)) return;
      done.add(key);
      try {
        localStorage.setItem(PLACE, JSON.stringify([...done]));
      } catch { /* it is kept as long as the page is open */ }
    },
  };
};
