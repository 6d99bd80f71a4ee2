"""The paper venue: an exchange of ours that speaks Binance's spot and USD-M protocols; a process of its own."""
