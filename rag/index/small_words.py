"""Words that hold no question together: dropped from a query while others remain."""

from __future__ import annotations

from typing import Final

ENGLISH: Final = """
a about all also am an and any are as at be because been but by can could did do does for from give
had has have he her him his how i if in into is it its many me might more most much my no not of on
or our out over please she should so some such tell than that the their them then there these they
this those to up us was we were what when where which while who whom whose why will with would you
your
"""
CHINESE: Final = """
的 了 和 是 在 有 与 及 等 这 那 其 中 为 以 于 对 由 从 到 被 把 也 都 就 而 或 吗 呢 吧 啊 之 所
我 你 您 他 她 它 们 谁 请 哪 几 一个 一下 什么 么是 是什 的什 哪个 哪些 哪里 哪儿 哪一 怎么 怎样
怎么样 如何 为何 何时 为什么 为什 多少 我们 你们 他们 她们 它们 请问 告诉 可以 能否 这个 那个 这些
那些 还是 以及 是否 是谁 是哪 有哪 有什 有多 是多 是怎 是如 在哪 于哪
"""
SMALL: Final = frozenset((ENGLISH + CHINESE).split())
