// The script adds the search and the buttons that copy a command. It opens the article that a link leads to, and closes
// the menu of a phone after a choice.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const menu = document.querySelector('#menu');
const search = document.querySelector('#search');
const input = search.querySelector('input');
const entries = all('article, #start').map((element) => ({
	element,
	title: element.querySelector('summary, h2').textContent.toLowerCase(),
	text: element.textContent.toLowerCase(),
}));

// open shows or folds the content of an entry, not of the entries in a section.
function open(element, isOpen) {
	const details = element.querySelector(':scope > details');
	if (details) details.open = isOpen;
}

// openTarget opens the article in the fragment of the URL.
function openTarget() {
	const target = document.getElementById(location.hash.slice(1));
	if (!target) return;
	open(target, true);
	target.scrollIntoView({ behavior: 'instant' });
}

// filter shows the entries whose title contains all words, or, if there are none, those whose text does.
function filter() {
	const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
	const matches = (part) => entries.filter((entry) => words.every((word) => entry[part].includes(word)));
	const titles = matches('title');
	const found = new Set((titles.length > 0 ? titles : matches('text')).map((entry) => entry.element));
	const searching = words.length > 0;
	for (const { element } of entries) {
		element.hidden = !found.has(element);
		open(element, searching && found.has(element));
	}
	for (const section of all('main > section:not(#start)')) {
		section.hidden = searching && !all('article', section).some((article) => found.has(article));
	}
	for (const link of all('nav a')) {
		const target = document.getElementById(link.hash.slice(1));
		link.parentElement.hidden = searching && !found.has(target);
	}
	for (const group of all('nav details')) {
		group.open = searching;
		group.parentElement.hidden = all('li', group).every((item) => item.hidden);
	}
	let hint = searching ? `${found.size} found` : '';
	if (found.size === 0) hint = 'Nothing found. Search for a path, a member or a problem code, such as budget or rate_limited.';
	search.querySelector('small').textContent = hint;
}

search.hidden = false;
input.addEventListener('input', filter);
document.querySelector('nav').addEventListener('click', (event) => {
	if (event.target.closest('a')) menu.checked = false;
});
// A link to the top, or to an entry that the search hides, ends the search. A second click on a link does not change
// the fragment.
document.addEventListener('click', (event) => {
	const link = event.target.closest('a');
	if (!link?.hash) return;
	const isHidden = document.getElementById(link.hash.slice(1))?.closest('[hidden]');
	if (input.value !== '' && (isHidden || link.hash === '#top')) {
		input.value = '';
		filter();
	}
	if (link.hash === location.hash) openTarget();
});
window.addEventListener('hashchange', openTarget);
openTarget();
if (navigator.clipboard) {
	for (const command of all('.command')) {
		const button = document.createElement('button');
		button.textContent = 'Copy';
		button.addEventListener('click', () => navigator.clipboard.writeText(command.querySelector('pre').textContent));
		command.append(button);
	}
}
