package expense

var currencyTable = [...]currencyRow{{code: "EUR", digits: 2}, {code: "JPY"}, {code: "KWD", digits: 3}, {code: "USD", digits: 2}}
