// The script adds the search and the buttons that copy a command. It closes the menu of a phone after a choice.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const menu = document.querySelector('#menu');
const search = document.querySelector('#search');
const input = search.querySelector('input');
const articles = all('article').map((element) => ({
	element,
	title: (element.querySelector('h3').textContent + (element.querySelector('.route')?.textContent ?? '')).toLowerCase(),
	text: element.textContent.toLowerCase(),
}));

// filter shows the articles whose title contains all words, or, if there are none, those whose text does.
function filter() {
	const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
	const matches = (part) => articles.filter((article) => words.every((word) => article[part].includes(word)));
	const titles = matches('title');
	const found = new Set((titles.length > 0 ? titles : matches('text')).map((article) => article.element));
	for (const { element } of articles) element.hidden = !found.has(element);
	const searching = words.length > 0;
	for (const section of all('main > section')) section.hidden = searching && !all('article', section).some((a) => found.has(a));
	for (const link of all('nav a')) {
		const target = document.getElementById(link.hash.slice(1));
		link.parentElement.hidden = searching && !found.has(target);
	}
	for (const group of all('nav details')) {
		group.open = searching;
		group.parentElement.hidden = all('li', group).every((item) => item.hidden);
	}
	search.querySelector('small').textContent = searching ? `${found.size} found` : '';
}

search.hidden = false;
input.addEventListener('input', filter);
document.querySelector('nav').addEventListener('click', (event) => {
	if (event.target.closest('a')) menu.checked = false;
});
// A link to an article that the search hides ends the search.
document.querySelector('main').addEventListener('click', (event) => {
	const link = event.target.closest('a');
	if (!link?.hash || input.value === '') return;
	input.value = '';
	filter();
});
if (navigator.clipboard) {
	for (const command of all('.command')) {
		const button = document.createElement('button');
		button.textContent = 'Copy';
		button.addEventListener('click', () => navigator.clipboard.writeText(command.querySelector('pre').textContent));
		command.append(button);
	}
}
