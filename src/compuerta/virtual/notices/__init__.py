"""The carriers of words in software: mail, texts, WeChat templates, an app; what came can be looked at."""
