(() => {
  'use strict';
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));

  // Sorting: the name of a column becomes a button.
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
  };
  const sort = (th) => {
    const table = th.closest('table');
    const column = th.cellIndex;
    const numeric = th.dataset.sort === 'number';
    const before = th.getAttribute('aria-sort');
    const descending = before ? before === 'ascending' : numeric; // the largest number is asked for first
    all('th[aria-sort]', table).forEach((other) => other.removeAttribute('aria-sort'));
    th.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    const compare = numeric
      ? (a, b) => Number(valueOf(a, column) || 0) - Number(valueOf(b, column) || 0)
      : (a, b) => valueOf(a, column).localeCompare(valueOf(b, column), 'en', { numeric: true });
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).sort(compare);
    if (descending) rows.reverse();
    body.append(...rows);
  };
  all('th[data-sort]').forEach((th) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...(th.firstElementChild || th).childNodes);
    th.replaceChildren(button);
    button.addEventListener('click', () => sort(th));
  });

  // Filtering: what is of no namespace that matches is hidden.
  const form = document.getElementById('filter');
  const input = document.getElementById('namespace');
  const count = document.getElementById('count');
  const chip = document.getElementById('registry');
  let registry = '';
  const rows = all('[data-ns]').map((row) => ({ row, namespaces: row.dataset.ns.split(' '), registry: row.dataset.registry }));
  const apply = () => {
    const text = input.value.trim().toLowerCase();
    const exact = text.startsWith('=');
    const wanted = exact ? text.slice(1) : text;
    const matches = (name) => (exact ? name === wanted : name.includes(wanted));
    rows.forEach(({ row, namespaces, registry: of }) => {
      row.hidden = (wanted !== '' && !namespaces.some(matches)) || (registry !== '' && of !== undefined && of !== registry);
    });
    all('[data-count]').forEach((note) => {
      const list = all('[data-ns]', document.getElementById(note.dataset.count));
      const shown = list.filter((row) => !row.hidden).length;
      note.textContent = shown === list.length ? '' : `${shown} of ${list.length} shown`;
    });
    const names = all('#matrix tbody tr');
    const shown = names.filter((row) => !row.hidden).length;
    count.textContent = wanted === '' ? '' : `${shown} of ${names.length} namespaces`;
    chip.hidden = registry === '';
    chip.textContent = `${registry} ×`;
    chip.setAttribute('aria-label', `Show all registries, not only ${registry}`);
    all('details').forEach((details) => { details.open = wanted !== '' && all('[data-ns]', details).some((row) => !row.hidden); });
  };
  input.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('reset', () => { registry = ''; input.value = ''; apply(); });
  chip.addEventListener('click', () => { registry = ''; apply(); });
  all('#matrix a').forEach((cell) => cell.addEventListener('click', () => {
    input.value = `=${cell.dataset.namespace}`;
    registry = cell.dataset.of;
    apply();
  }));
  form.hidden = false;
})();
