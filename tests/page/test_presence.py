import asyncio

from irbox.page.presence import Presence


def test_a_page_stays_until_it_leaves():
    async def visit():
        presence = Presence()
        first, second = (asyncio.ensure_future(presence.stay(name)) for name in 'ab')
        await asyncio.sleep(0)
        assert presence.sessions == {'a', 'b'}
        presence.leave('a')
        await first
        assert presence.sessions == {'b'} and not second.done()
        presence.leave('nobody')
        presence.leave('b')
        await second
        assert not presence.sessions

    asyncio.run(asyncio.wait_for(visit(), 5))
