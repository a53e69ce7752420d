"use strict";
// Sorts and searches the table of neurons. Without it the table is whole, in the order of the numbers.
(() => {
  const table = document.getElementById("neurons-table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, at) => {
    const cell = row.cells[at];
    return "v" in cell.dataset ? cell.dataset.v : cell.textContent.trim();
  };
  const compare = (a, b, numbers) => (numbers ? Number(a) - Number(b) : a.localeCompare(b));
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numbers = head.classList.contains("n");
      const was = head.getAttribute("aria-sort");
      const falling = was ? was === "ascending" : numbers && head.dataset.first !== "low";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [value(row, at), row]);
      // What is unknown comes last either way.
      rows.sort(([a], [b]) => (a === "") - (b === "") || (a === "" ? 0 : compare(a, b, numbers) * (falling ? -1 : 1)));
      body.append(...rows.map(([, row]) => row));
    });
  });
  const box = document.getElementById("search");
  const count = document.getElementById("search-count");
  const all = [...body.rows].map((row) => [row, row.textContent.toLowerCase()]);
  const search = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of all) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${all.length} neurons`;
  };
  box.addEventListener("input", search);
  document.getElementById("tools").hidden = false;
  search();
})();
