"""The borders: tables in and out, shipped plans and the public data behind them."""
