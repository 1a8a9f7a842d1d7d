"""Words that name nothing by themselves: small ones, and those for a property, a part or a deed of it."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AUXILIARY: Final = _words(
    "is are was were am be been being do does did has have had can could will would shall should may might"
    " must isn't aren't wasn't weren't don't doesn't didn't hasn't haven't can't couldn't won't wouldn't"
    " shouldn't what's who's where's when's how's why's that's it's there's cannot"
)
FUNCTION: Final = AUXILIARY | _words(
    "what which who whom whose when where why how the a an any some all many much more most few no not none"
    " every each of in on at to for from by with without about into than as per over under after before"
    " during between until since within up out off down and or but if so then also only just too very really"
    " i you we me us my your our one's there here please ever still yet same other another such get got give"
    " given gets need needs needed let make makes long far often soon early late exactly usually normally"
    " someone somebody anyone anybody everyone people person thing things something anything everything"
)
# Words that say a property, a part or a deed, but not of what.
RELATIONAL: Final = _words(
    "price cost costs fee fees size weight height length width depth age colour color name names address"
    " location place places date time times hours phone number numbers email website capacity population"
    " area capital currency language author director founder owner manager boss head leader inventor maker"
    " designer architect wife husband father mother parents child children son daughter brother sister"
    " reason reasons cause causes purpose goal aim meaning definition difference differences advantage"
    " advantages disadvantage disadvantages benefit benefits drawback drawbacks risk risks limit limits"
    " limitation limitations requirement requirements condition conditions exception exceptions deadline"
    " penalty punishment fine consequence consequences result results effect effects outcome warranty"
    " guarantee speed range temperature pressure voltage material materials ingredient ingredients step"
    " steps procedure process rule rules detail details example examples option options alternative"
    " alternatives answer total amount quantity percentage share maximum minimum average source origin"
    " history background position title salary nationality members happen happens happened mean means work"
    " works take takes took last lasts lasted start starts started begin begins began end ends ended open"
    " opens opened close closes closed built designed founded invented written made used located situated"
    " measured paid pay born die died called apply register join order buy use install big large small high"
    " tall wide deep old new heavy fast slow expensive cheap hot cold popular dangerous difficult possible"
    " allowed required necessary available free valid tell explain say mention describe know"
)
# jieba's words
HAN_FUNCTION: Final = _words(
    "什么 什么样 为什么 为何 谁 哪里 哪儿 哪些 哪个 哪种 哪年 哪天 哪 几点 几年 几天 几个 几次 几种 几"
    " 多少钱 多少 多久 多长 多大 多高 多宽 多重 多远 多深 多快 多厚 多贵 多 怎么样 怎么办 怎么 怎样 如何"
    " 何时 何地 何处 是否 是不是 有没有 能不能 可不可以 吗 呢 吧 啊 的 了 过 着 是 有 在 要 能 会 可以 可"
    " 应该 应 该 必须 须 需要 需 得 不 没有 没 很 最 更 比较 也 都 还 又 再 就 才 到 从 对 和 与 跟 或"
    " 或者 把 被 给 让 用 由 为 于 向 以 及 之 其 这 那 我 你 我们 你们 您 请 大概 大约 一共 共 总共 最多"
    " 最少 至少 每次 每天 每年 每月 每周 每人 每 一次 一天 一年 一个 一支 一斤 一份 一种 一 次 天 点 个 元"
    " 钱 块 斤 里 上 下 中 内 外 前 后 时 时候 想 人 东西 事 事情 别人 大家 共有 具有 含有 长时间 多长时间"
    " 另外 按 多少个"
)
HAN_RELATIONAL: Final = _words(
    "价格 价钱 费用 收费 时间 地点 地址 位置 日期 原因 理由 作者 人口 面积 高度 长度 宽度 重量 大小 数量"
    " 年龄 职位 电话 号码 邮箱 条件 要求 材料 好处 坏处 优点 缺点 优惠 折扣 区别 不同 特点 作用 用途 意义"
    " 含义 意思 结果 影响 后果 名字 名称 全称 简称 历史 背景 来历 由来 产地 步骤 流程 手续 过程 方法 办法"
    " 规定 规则 细节 例子 例外 上限 下限 限制 期限 借期 工期 租期 保修 保修期 有效期 容量 温度 速度 功率"
    " 颜色 尺寸 型号 功能 电压 国籍 籍贯 妻子 丈夫 父亲 母亲 父母 儿子 女儿 孩子 兄弟 负责人 创始人 设计师"
    " 校长 馆长 经理 老板 主任 院长 申请 办理 使用 安装 购买 买 报名 参加 预约 取消 修改 计算 支付 付款"
    " 联系 设计 发明 建造 建成 修建 成立 创办 创立 写 画 拍 出版 发布 上映 开放 关门 开门 闭馆 开馆 开始"
    " 结束 截止 负责 管理 批准 审批 处理 解决 操作 出生 去世 毕业 上任 花 花费 完成 完工 举行 举办 交 提交"
    " 退 换 更换 算 解释 说明 详细 具体 说说 说 举 继续 介绍 高 低 长 短 大 小 贵 便宜 重 轻 快 慢 好 坏"
    " 难 容易 够 行 宽 久 远 深"
)
