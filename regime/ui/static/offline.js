// What the page asks for while the server cannot be reached waits until it can: Gradio would load the page anew, without what
// was typed, drawn, pinned and found. A server that has been started anew knows nothing of the page: then that is right.
const send = globalThis.fetch.bind(globalThis), PAUSE = 1000, WORDS = 'No connection to the server. What you asked for is done when it is back.';
let waiting = 0;
const say = change => {
  waiting += change;
  let line = document.querySelector('.offline');
  if (!line) document.body.append(line = Object.assign(document.createElement('p'), { className: 'offline', role: 'status' }));
  line.textContent = waiting ? WORDS : '';
};
const same = async () => (await (await send(new URL('gradio_api/app_id', document.baseURI))).json()).app_id === globalThis.gradio_config?.app_id;

const asked = new Set();  // events that were begun
// Asks the server for something, as often as it takes.
const post = async (address, options) => {
  for (let late = false; ; late = true) {
    try {
      if (late && !await same()) location.reload();
      const answer = await send(address, options);
      if (late) say(-1);
      if (String(address).includes('/queue/join')) answer.clone().json().then(({ event_id }) => asked.add(event_id), () => {});
      return answer;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      if (!late) say(1);
      await new Promise(done => { setTimeout(done, PAUSE); });
    }
  }
};

// Where the stream of events breaks, which Gradio does not open again, those under way end, and tabs ask for their runs, which are held.
const stream = async (address, options) => {
  const answer = await send(address, options), reader = answer.body.getReader();
  const say = message => new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`);
  const pull = async control => {
    try {
      const { done, value } = await reader.read();
      if (done) control.close();
      else control.enqueue(value);
    } catch (error) {
      if (!(error instanceof TypeError)) return control.error(error);
      asked.forEach(event_id => control.enqueue(say({ msg: 'process_completed', event_id, success: true, output: { data: [] } })));
      asked.clear();
      control.enqueue(say({ msg: 'close_stream', event_id: null }));
      control.close();
      document.dispatchEvent(new Event('regime-broken'));
    }
  };
  return new Response(new ReadableStream({ pull, cancel: reason => reader.cancel(reason) }), { status: answer.status, headers: answer.headers });
};

globalThis.fetch = (address, options) => {
  if (options?.method === 'POST') return post(address, options);
  return (address.url ?? String(address)).includes('/queue/data') ? stream(address, options) : send(address, options);
};
