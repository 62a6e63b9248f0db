import asyncio

from irbox.page.presence import Presence


def test_a_page_stays_until_it_leaves():
    async def visit():
        presence = Presence()
        first, second = (asyncio.ensure_future(presence.stay(name)) for name in 'ab')
        await asyncio.sleep(0)
        assert len(presence) == 2
        presence.leave('a')
        await first
        assert len(presence) == 1 and not second.done()
        presence.leave('nobody')
        presence.leave('b')
        await second
        assert len(presence) == 0

    asyncio.run(asyncio.wait_for(visit(), 5))
