/** What the lab's page can do besides being read: sort a table by a column, and save the data. */

function cellValue(row, index, kind) {
  const cell = row.cells[index]
  if (kind === 'text') return cell.textContent
  return cell?.dataset.value === undefined ? Number.NEGATIVE_INFINITY : Number(cell.dataset.value)
}

function sortBy(table, heading, index) {
  const { sort: kind } = heading.dataset
  const falling = heading.ariaSort === 'none' ? kind === 'number' : heading.ariaSort === 'ascending'
  for (const other of table.querySelectorAll('th[data-sort]')) other.ariaSort = 'none'
  heading.ariaSort = falling ? 'descending' : 'ascending'
  const rows = [...table.tBodies[0].rows].map(row => ({ row, value: cellValue(row, index, kind) }))
  rows.sort(({ value: a }, { value: b }) => (a < b ? -1 : a > b ? 1 : 0) * (falling ? -1 : 1))
  table.tBodies[0].append(...rows.map(({ row }) => row))
}

for (const table of document.querySelectorAll('table.figures')) {
  table.querySelectorAll('th[data-sort]').forEach((heading, index) => {
    const button = document.createElement('button')
    button.type = 'button'
    button.append(...heading.childNodes)
    heading.append(button)
    heading.ariaSort = 'none'
    button.addEventListener('click', () => sortBy(table, heading, index))
  })
}

const save = document.querySelector('#save')
save.hidden = false
save.addEventListener('click', () => {
  const data = JSON.parse(document.querySelector('#report').textContent)
  const blob = new Blob([`${JSON.stringify(data, null, 2)}\n`], { type: 'application/json' })
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = 'sluice-lab.json'
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
})
