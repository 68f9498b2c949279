// Package page has only tests: they open the page of `pullsecrets coverage -o html` in a real browser.
package page
