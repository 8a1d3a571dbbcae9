'use strict';
document.querySelectorAll('table.sortable th').forEach(function (th) {
  var button = document.createElement('button'); button.type = 'button';
  button.textContent = th.textContent; th.textContent = ''; th.appendChild(button);
  button.addEventListener('click', function () {
    var table = th.closest('table'), body = table.tBodies[0], i = th.cellIndex;
    var down = th.getAttribute('aria-sort') === 'ascending';
    table.querySelectorAll('th').forEach(function (o) { o.removeAttribute('aria-sort'); });
    th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    Array.from(body.rows).sort(function (a, b) {
      var x = a.cells[i].textContent, y = b.cells[i].textContent, n = parseFloat(x.replace(/,/g, '')),
        m = parseFloat(y.replace(/,/g, ''));
      var d = isNaN(n) || isNaN(m) ? x.localeCompare(y) : n - m;
      return down ? -d : d;
    }).forEach(function (row) { body.appendChild(row); });
  });
});
(function () {
  var source = document.getElementById('case-data'), table = document.getElementById('case-table');
  if (!source || !table) { return; }
  var data = JSON.parse(source.textContent), rows = data.rows, body = table.tBodies[0], PAGE = 50, shown = PAGE, kept = rows;
  var form = document.getElementById('case-filter'), more = document.getElementById('case-more');
  var pick = {}; ['state', 'suite', 'tag', 'id'].forEach(function (name) { pick[name] = document.getElementById('case-' + name); });

  function make(tag, text, kind) {
    var node = document.createElement(tag);
    if (text !== undefined && text !== '') { node.textContent = text; }
    if (kind) { node.className = kind; }
    return node;
  }
  function word(result) {
    if (result === null) { return ['unscored ?', 'inconclusive']; }
    if (result === 1) { return ['pass ✓', 'pass']; }
    return result === 0 ? ['fail ✗', 'fail'] : [Math.round(100 * result) + '% ✗', 'fail'];
  }
  function fails(result) { return result !== null && result < 1; }
  // row: [suite, id, severity, tags, results, lost, place of its replies or -1]
  function state(row, wanted) {
    var results = row[4];
    if (wanted === 'lost') { return row[5].length > 0; }
    if (wanted === 'fail') { return results.some(fails); }
    if (wanted === 'unscored') { return results.some(function (one) { return one === null; }); }
    if (wanted === 'all-fail') { return results.every(fails); }
    if (wanted === 'pass') { return results.every(function (one) { return one === 1; }); }
    if (wanted.indexOf('mode-') === 0) { return fails(results[Number(wanted.slice(5))]); }
    return true;
  }
  function choose() {
    var wanted = pick.state.value, suite = pick.suite.value, tag = pick.tag.value, part = pick.id.value.trim().toLowerCase();
    kept = rows.filter(function (row) {
      return (suite === '' || row[0] === Number(suite)) && (tag === '' || row[3].indexOf(Number(tag)) >= 0) &&
        (part === '' || row[1].toLowerCase().indexOf(part) >= 0) && state(row, wanted);
    });
    shown = PAGE; draw();
  }
  function draw() {
    var place = document.createDocumentFragment(), until = Math.min(shown, kept.length);
    for (var n = 0; n < until; n += 1) { place.appendChild(line(kept[n])); }
    body.replaceChildren(place);
    document.getElementById('case-count').textContent = kept.length.toLocaleString('en') + ' of ' + rows.length.toLocaleString('en') +
      (rows.length === 1 ? ' case' : ' cases') + (until < kept.length ? ', the first ' + until + ' shown' : '');
    more.hidden = until >= kept.length;
  }
  function line(row) {
    var tr = make('tr'), head = make('th'), tags = row[3].map(function (one) { return data.tags[one]; });
    head.scope = 'row';
    head.appendChild(make('code', row[1]));
    head.appendChild(make('span', data.suites[row[0]] + (row[2] === 'normal' ? '' : ' · ' + row[2]) +
      (tags.length ? ' · ' + tags.join(', ') : ''), 'about'));
    tr.appendChild(head);
    row[4].forEach(function (result, mode) {
      var said = word(result), cell = make('td', '', 'status ' + said[1]);
      if (row[6] >= 0 && data.replies[row[6]].modes[mode]) {
        var button = make('button', said[0]); button.type = 'button';
        button.setAttribute('aria-expanded', 'false');
        button.setAttribute('aria-label', row[1] + ', ' + data.modes[mode] + ': ' + said[0] + ', show replies');
        button.addEventListener('click', function () { open(tr, button, row, mode); });
        cell.appendChild(button);
      } else { cell.textContent = said[0]; }
      tr.appendChild(cell);
    });
    return tr;
  }
  function open(tr, button, row, mode) {
    var next = tr.nextElementSibling, was = button.getAttribute('aria-expanded') === 'true';
    if (next && next.className === 'replies') { next.remove(); }
    tr.querySelectorAll('button').forEach(function (one) { one.setAttribute('aria-expanded', 'false'); });
    if (was) { return; }
    button.setAttribute('aria-expanded', 'true');
    var opened = make('tr', '', 'replies'), td = make('td'), cell = make('div', '', 'box'), found = data.replies[row[6]], pair = make('div', '', 'pair');
    td.colSpan = row[4].length + 1; td.appendChild(cell);
    if (found.prompt) { cell.appendChild(make('h3', 'Prompt')); cell.appendChild(make('pre', found.prompt)); }
    var base = data.baseline !== mode ? found.modes[data.baseline] : null, own = found.modes[mode];
    if (base) { pair.appendChild(panel(row, data.baseline, base, own, 'del')); }
    pair.appendChild(panel(row, mode, own, base, 'ins'));
    cell.appendChild(pair); opened.appendChild(td); tr.after(opened);
  }
  function panel(row, mode, reply, other, mark) {
    var box = make('div'), text = make('pre');
    box.appendChild(make('h3', data.modes[mode] + (mode === data.baseline ? ' (baseline)' : '') + ': ' + word(row[4][mode])[0]));
    if (reply.about) { box.appendChild(make('p', reply.about, 'dim')); }
    if (reply.reason) { box.appendChild(make('p', reply.reason)); }
    if (reply.text === undefined) { box.appendChild(make('p', 'The texts were left out of this report.', 'dim')); return box; }
    if (reply.text === '') { box.appendChild(make('p', 'Empty reply.', 'dim')); return box; }
    if (other && other.text) { differing(text, reply.text, other.text, mark); } else { text.textContent = reply.text; }
    box.appendChild(text);
    return box;
  }
  // what lies between the common start and the common end is marked
  function differing(node, mine, other, mark) {
    var a = mine.match(/\s+|[^\s]+/g) || [], b = other.match(/\s+|[^\s]+/g) || [], from = 0, end = 0;
    while (from < a.length && from < b.length && a[from] === b[from]) { from += 1; }
    while (end < a.length - from && end < b.length - from && a[a.length - 1 - end] === b[b.length - 1 - end]) { end += 1; }
    node.appendChild(document.createTextNode(a.slice(0, from).join('')));
    if (a.length - end > from) { node.appendChild(make(mark, a.slice(from, a.length - end).join(''))); }
    node.appendChild(document.createTextNode(a.slice(a.length - end).join('')));
  }
  form.hidden = false;
  pick.id.addEventListener('input', choose);
  ['state', 'suite', 'tag'].forEach(function (name) { pick[name].addEventListener('change', choose); });
  more.addEventListener('click', function () { shown += 4 * PAGE; draw(); });
  choose();
}());
