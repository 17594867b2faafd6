"""The operator station: the web application in which people drive robots, look through recordings and answer."""
