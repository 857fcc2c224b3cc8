// What the server says of the form: the run that it describes, or what is wrong with it.
import { tabOf } from './feed.js';

export const mount = ({ element, props, watch }) => {
  const tab = tabOf(element);
  watch('value', () => tab.hear(props.value[0]));
};
