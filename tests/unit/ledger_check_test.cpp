// SPDX-License-Identifier: Apache-2.0
// The ledger against what devices count themselves.
#include "device/ledger_check.hpp"

#include <gmock/gmock.h>

#include "backends/open_devices.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using test::mib;

class witness_test : public testing::Test {
protected:
    // `count` transfers of 1000 bytes and more, and a wait behind them.
    void move(int count, bool pinned) {
        const auto s = on->make_stream("test").value();
        const auto done = on->make_event().value();
        const auto memory = device_buffer::allocate(on->pool(), 4096).value();
        const host_block host = on->allocate_host(4096, pinned).value();
        for (int i = 0; i < count; ++i) {
            const auto way = i % 2 == 0 ? direction::host_to_device : direction::device_to_host;
            EXPECT_OK(transfer(*s, way, memory.data(), host, 1000 + static_cast<std::size_t>(i), {}));
        }
        EXPECT_OK(synchronise(*s, *done, {}));
        on->release_host(host);
    }
    std::unique_ptr<device> on = std::move(open_devices({"emulated", 8 * mib, "none"}).value().front());
};

TEST_F(witness_test, counts_what_the_copy_engines_moved_since_it_was_made) {
    move(3, true);
    const auto w = on->make_transfer_counter().value();
    EXPECT_EQ(w->seen(), transfer_totals{});
    move(4, true);
    EXPECT_EQ(w->seen(), (transfer_totals{{2, 2002}, {2, 2004}, 1, 0}));
    move(4, false);
    EXPECT_EQ(w->seen(), (transfer_totals{{4, 4004}, {4, 4008}, 4, 0})) << "two pageable downloads wait for themselves";
}

TEST_F(witness_test, agrees_with_a_ledger_that_is_right) {
    const auto w = on->make_transfer_counter().value();
    move(7, true);
    move(6, false);
    const ledger_check c{std::string(w->by()), totals_of(on->book()), w->seen()};
    EXPECT_TRUE(c.agrees());
    EXPECT_THAT(c.differences(), IsEmpty());
}

TEST_F(witness_test, finds_what_a_ledger_has_too_much_and_too_little) {
    const auto w = on->make_transfer_counter().value();
    move(5, true);
    // As a stage would that enters what it does not move, and waits for what it does not enter.
    on->book().record_transfer(direction::host_to_device, 77, true, {});
    on->book().record_sync({});
    const ledger_check c{std::string(w->by()), totals_of(on->book()), w->seen()};
    EXPECT_FALSE(c.agrees());
    EXPECT_THAT(c.differences(), ElementsAre(AllOf(HasSubstr("4 transfers of 3083 bytes from host to device"),
                                                   HasSubstr("the copy engines counted 3 of 3006")),
                                             AllOf(HasSubstr("2 host syncs"), HasSubstr("counted 1"))));
}

TEST_F(witness_test, finds_a_transfer_that_was_entered_and_skipped) {
    const auto w = on->make_transfer_counter().value();
    const auto s = on->make_stream("test").value();
    const auto done = on->make_event().value();
    const auto memory = device_buffer::allocate(on->pool(), 4096).value();
    const host_block host = on->allocate_host(4096, true).value();
    s->run([]() -> result<void> { return fail(errc::internal, "a kernel that failed"); });
    EXPECT_OK(transfer(*s, direction::host_to_device, memory.data(), host, 4096, {}));
    EXPECT_FALSE(synchronise(*s, *done, {}));
    on->release_host(host);
    const ledger_check c{std::string(w->by()), totals_of(on->book()), w->seen()};
    EXPECT_THAT(c.differences(), ElementsAre(HasSubstr("counted 0 of 0 bytes")));
}

TEST(transfer_counter, is_null_where_nothing_is_transferred) {
    const auto cpu = std::move(open_devices({"cpu", mib, "none"}).value().front());
    const auto w = cpu->make_transfer_counter();
    ASSERT_OK(w);
    EXPECT_EQ(*w, nullptr);
}

TEST(ledger_checks, that_lost_records_do_not_agree) {
    ledger_check c{"CUPTI", {{1, 10}, {1, 20}, 1, 0}, {{1, 10}, {1, 20}, 1, 3}};
    EXPECT_FALSE(c.agrees());
    EXPECT_THAT(c.differences(), ElementsAre(HasSubstr("CUPTI lost 3 records")));
}

}  // namespace
}  // namespace faceflow::internal
