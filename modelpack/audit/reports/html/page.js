"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);

  const compare = (a, b) => (a === b ? 0 : typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : 1);

  function sortable(table, rows) {
    const body = table.tBodies[0];
    const order = [...body.rows].map((row, index) => ({ row, index, keys: rows[index].k }));
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        order.sort((a, b) => (down ? -1 : 1) * compare(a.keys[column], b.keys[column]) || a.index - b.index);
        body.append(...order.map((each) => each.row));
      });
    });
  }

  function options(select, values, all) {
    select.replaceChildren(...["", ...values].map((value) => {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = value || all;
      return option;
    }));
  }

  function choose(lines, rows, text, shown, fits) {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, index) => {
      lines[index].hidden = !(fits(row.f) && words.every((word) => row.w.includes(word)));
      count += !lines[index].hidden;
    });
    shown.textContent = count === rows.length ? `${count} shown` : `${count} of ${rows.length} shown`;
  }

  function searchable(table, rows) {
    const lines = [...table.tBodies[0].rows];
    const [text, shown] = ["model-text", "models-shown"].map((id) => document.getElementById(id));
    const show = () => choose(lines, rows, text, shown, () => true);
    text.addEventListener("input", show);
    document.getElementById("model-filters").hidden = false;
    show();
  }

  function filterable(table, rows) {
    const lines = [...table.tBodies[0].rows];
    const [kinds, rule, place, text, shown] = ["kinds", "rule", "place", "text", "shown"].map((id) => document.getElementById(id));
    const values = (facet) => [...new Set(rows.map((row) => row.f[facet]))].sort();
    const off = new Set();

    const show = () => choose(lines, rows, text, shown, ([kind, of, at]) =>
      !off.has(kind) && (!rule.value || rule.value === of) && (!place.value || place.value === at));

    const kindsByRank = new Map([...rows].sort((a, b) => a.k[0] - b.k[0]).map((row) => [row.f[0], row]));
    for (const kind of kindsByRank.keys()) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = kind;
      button.setAttribute("aria-pressed", "true");
      button.textContent = `${kind === "unchecked" ? "not checked" : kind} ${rows.filter((row) => row.f[0] === kind).length}`;
      button.addEventListener("click", () => {
        if (!off.delete(kind)) off.add(kind);
        button.setAttribute("aria-pressed", String(!off.has(kind)));
        show();
      });
      kinds.append(button);
    }
    options(rule, values(1), "all rules");
    options(place, values(2), "all places");
    for (const control of [rule, place, text]) control.addEventListener("input", show);
    document.getElementById("filters").hidden = false;
    show();
  }

  for (const name of ["findings", "models"]) {
    const table = document.getElementById(name);
    if (!table) continue;
    (name === "findings" ? filterable : searchable)(table, data[name]);
    sortable(table, data[name]);
  }

  // A link to a rule that lies in a closed list opens it; paper has no way to open anything.
  const open = () => document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
  addEventListener("hashchange", open);
  open();
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("section > details:not([open])")];
    closed.forEach((each) => each.setAttribute("open", ""));
  });
  addEventListener("afterprint", () => closed.forEach((each) => each.removeAttribute("open")));
})();
