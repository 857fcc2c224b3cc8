// Sorts a table by the column whose heading was pressed; undefined values stay last.
export const mount = ({ element }) => {
  element.addEventListener('click', event => {
    const button = event.target.closest('thead button');
    if (!button) return;
    const head = button.parentElement, table = head.closest('table'), body = table.tBodies[0];
    const down = head.getAttribute('aria-sort') !== 'descending';
    table.querySelectorAll('thead th').forEach(other => other.setAttribute('aria-sort', 'none'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const value = row => parseFloat(row.cells[head.cellIndex].dataset.v);
    const rows = [...body.rows].sort((a, b) => {
      const [p, q] = [value(a), value(b)];
      if (isNaN(p) || isNaN(q)) return isNaN(p) - isNaN(q);
      return down ? q - p : p - q;
    });
    body.append(...rows);
  });
};
