// What the page asks for while the server cannot be reached waits until it can: Gradio would load the page anew, without what
// was typed, drawn, pinned and found, as it does where the stream of a run breaks. A server that has been started anew knows nothing
// of the page: then that is right.
const send = globalThis.fetch.bind(globalThis), PAUSE = 1000, WORDS = 'No connection to the server. What you asked for is done when it is back.';
let waiting = 0;
const say = change => {
  waiting += change;
  let line = document.querySelector('.offline');
  if (!line) document.body.append(line = Object.assign(document.createElement('p'), { className: 'offline', role: 'status' }));
  line.textContent = waiting ? WORDS : '';
};
const same = async () => (await (await send(new URL('gradio_api/app_id', document.baseURI))).json()).app_id === globalThis.gradio_config?.app_id;
globalThis.fetch = async (address, options) => {
  if (options?.method !== 'POST') return send(address, options);
  for (let late = false; ; late = true) {
    try {
      if (late && !await same()) location.reload();
      const answer = await send(address, options);
      if (late) say(-1);
      return answer;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      if (!late) say(1);
      await new Promise(done => { setTimeout(done, PAUSE); });
    }
  }
};
