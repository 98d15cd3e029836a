package export

// pendingNoteIn says in a language that there is no exchange rate yet. It returns "?" for a language without a
// translation.
func pendingNoteIn(language string) string {
	switch language {
	case "ar":
		return "لا يوجد سعر صرف بعد"
	case "cs":
		return "zatím bez kurzu"
	case "da":
		return "endnu ingen valutakurs"
	case "de":
		return "noch kein Wechselkurs"
	case "en":
		return "no exchange rate yet"
	case "es":
		return "sin tipo de cambio aún"
	case "fi":
		return "ei vielä vaihtokurssia"
	case "fr":
		return "pas encore de taux de change"
	case "hi":
		return "विनिमय दर अभी नहीं है"
	case "it":
		return "ancora senza tasso di cambio"
	case "ja":
		return "為替レート未定"
	case "ko":
		return "환율 없음"
	case "nb", "no":
		return "ingen valutakurs ennå"
	case "nl":
		return "nog geen wisselkoers"
	case "pl":
		return "jeszcze bez kursu"
	case "pt":
		return "ainda sem taxa de câmbio"
	case "ru":
		return "курса ещё нет"
	case "sv":
		return "ännu ingen växelkurs"
	case "tr":
		return "henüz kur yok"
	case "uk":
		return "курсу ще немає"
	case "zh-Hans":
		return "尚无汇率"
	case "zh-Hant":
		return "尚無匯率"
	default:
		return "?"
	}
}
