// One source to many consumers: order, gaps and each edge's policy.
#include "frame/distributor.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "support.hpp"

namespace faceflow {
namespace {

using testing::ElementsAre;
using namespace std::chrono_literals;

struct item {
    frame_id id;
};

std::vector<std::uint64_t> drained(edge<item>& from) {
    std::vector<std::uint64_t> sequences;
    while (const auto i = from.try_take())
        sequences.push_back(i->id.sequence);
    return sequences;
}

TEST(sequence_gate, lets_each_sequence_pass_once_and_only_upwards) {
    sequence_gate gate(7);
    EXPECT_EQ(gate.admit({7, 0}), admission::accepted);
    EXPECT_EQ(gate.admit({7, 1}), admission::accepted);
    EXPECT_EQ(gate.admit({7, 1}), admission::out_of_order);
    EXPECT_EQ(gate.admit({7, 0}), admission::out_of_order);
    EXPECT_EQ(gate.admit({8, 2}), admission::foreign_source);
    EXPECT_EQ(gate.admit({7, 5}), admission::accepted);
    EXPECT_EQ(gate.admit({7, 4}), admission::out_of_order);
    EXPECT_EQ(gate.admit({7, 6}), admission::accepted);
    EXPECT_EQ(gate.counts().accepted, 4u);
    EXPECT_EQ(gate.counts().out_of_order, 3u);
    EXPECT_EQ(gate.counts().foreign_source, 1u);
    EXPECT_EQ(gate.counts().gaps, 1u);
    EXPECT_EQ(gate.counts().missing, 3u);
}

TEST(sequence_gate, counts_what_is_missing_before_the_first_frame) {
    sequence_gate gate(0);
    EXPECT_EQ(gate.admit({0, 10}), admission::accepted);
    EXPECT_EQ(gate.counts().gaps, 1u);
    EXPECT_EQ(gate.counts().missing, 10u);
}

TEST(distributor, gives_every_consumer_every_frame_in_order) {
    distributor<item> d(0);
    const auto a = d.add_edge("a", 10, queue_policy::fifo), b = d.add_edge("b", 10, queue_policy::latest);
    for (std::uint64_t i = 0; i < 5; ++i)
        EXPECT_EQ(d.offer({{0, i}}), admission::accepted);
    EXPECT_THAT(drained(*a), ElementsAre(0, 1, 2, 3, 4));
    EXPECT_THAT(drained(*b), ElementsAre(0, 1, 2, 3, 4));
    EXPECT_EQ(a->counts().queued, 5u);
    EXPECT_EQ(a->counts().dropped(), 0u);
}

TEST(distributor, a_full_edge_drops_by_its_own_policy_and_counts_why) {
    distributor<item> d(0);
    const auto newest = d.add_edge("newest", 2, queue_policy::latest),
               oldest = d.add_edge("oldest", 2, queue_policy::fifo);
    for (std::uint64_t i = 0; i < 5; ++i)
        (void)d.offer({{0, i}});
    EXPECT_THAT(drained(*newest), ElementsAre(3, 4));
    EXPECT_THAT(drained(*oldest), ElementsAre(0, 1));
    EXPECT_EQ(newest->counts().overtaken, 3u);
    EXPECT_EQ(newest->counts().queued, 5u);
    EXPECT_EQ(newest->counts().dropped(), 3u);
    EXPECT_EQ(oldest->counts().full, 3u);
    EXPECT_EQ(oldest->counts().queued, 2u);
    EXPECT_EQ(oldest->counts().offered, 5u);
}

TEST(distributor, rejects_and_counts_frames_out_of_order_before_any_edge_sees_them) {
    distributor<item> d(3);
    const auto e = d.add_edge("e", 10, queue_policy::fifo);
    EXPECT_EQ(d.offer({{3, 4}}), admission::accepted);
    EXPECT_EQ(d.offer({{3, 4}}), admission::out_of_order);
    EXPECT_EQ(d.offer({{3, 2}}), admission::out_of_order);
    EXPECT_EQ(d.offer({{1, 9}}), admission::foreign_source);
    EXPECT_THAT(drained(*e), ElementsAre(4));
    EXPECT_EQ(e->counts().offered, 1u);
    EXPECT_EQ(d.counts().out_of_order, 2u);
    EXPECT_EQ(d.counts().missing, 4u);
}

TEST(distributor, a_blocking_edge_loses_nothing) {
    distributor<item> d(0);
    const auto e = d.add_edge("e", 1, queue_policy::block);
    std::vector<std::uint64_t> seen;
    std::thread consumer([&] {
        while (const auto i = e->take())
            seen.push_back(i->id.sequence);
    });
    for (std::uint64_t i = 0; i < 500; ++i)
        (void)d.offer({{0, i}});
    d.close();
    consumer.join();
    ASSERT_EQ(seen.size(), 500u);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(e->counts().dropped(), 0u);
}

TEST(distributor, a_consumer_that_leaves_sets_a_waiting_source_free) {
    distributor<item> d(0);
    const auto stuck = d.add_edge("stuck", 1, queue_policy::block), other = d.add_edge("other", 10, queue_policy::fifo);
    (void)d.offer({{0, 0}});
    std::thread source([&] { (void)d.offer({{0, 1}}); });
    std::this_thread::sleep_for(5ms);
    d.remove_edge(stuck);
    source.join();
    (void)d.offer({{0, 2}});
    EXPECT_EQ(stuck->counts().closed, 1u);
    EXPECT_THAT(drained(*stuck), ElementsAre(0));
    EXPECT_THAT(drained(*other), ElementsAre(0, 1, 2));
    EXPECT_EQ(d.edges().size(), 1u);
}

TEST(distributor, an_edge_outlives_it_and_one_added_after_the_end_is_closed) {
    std::shared_ptr<edge<item>> early, late;
    {
        distributor<item> d(0);
        early = d.add_edge("early", 4, queue_policy::fifo);
        (void)d.offer({{0, 0}});
        d.close();
        late = d.add_edge("late", 4, queue_policy::fifo);
    }
    EXPECT_TRUE(early->take());
    EXPECT_FALSE(early->take());
    EXPECT_FALSE(late->take());
}

TEST(distributor, many_producers_and_consumers_see_increasing_ids_and_every_frame_is_accounted_for) {
    distributor<item> d(0);
    std::atomic<std::uint64_t> next{0};
    std::atomic<int> disordered{0};
    struct consumer {
        std::shared_ptr<edge<item>> from;
        std::uint64_t taken = 0;
        std::thread thread;
    };
    std::vector<consumer> consumers(3);
    const queue_policy policies[] = {queue_policy::latest, queue_policy::fifo, queue_policy::block};
    for (std::size_t i = 0; i < 3; ++i) {
        consumer& c = consumers[i];
        c.from = d.add_edge(std::string(name(policies[i])), 3, policies[i]);
        c.thread = std::thread([&c, &disordered] {
            std::uint64_t last = 0;
            while (const auto got = c.from->take()) {
                if (c.taken++ > 0 && got->id.sequence <= last) ++disordered;
                last = got->id.sequence;
            }
        });
    }
    std::vector<std::thread> producers;
    for (int p = 0; p < 3; ++p) {
        producers.emplace_back([&] {
            for (int i = 0; i < 2000; ++i)
                (void)d.offer({{0, next++}});
        });
    }
    for (auto& p : producers)
        p.join();
    d.close();
    for (auto& c : consumers)
        c.thread.join();
    const auto admitted = d.counts();
    EXPECT_EQ(admitted.accepted + admitted.out_of_order, 6000u);
    EXPECT_EQ(disordered, 0);
    for (const auto& c : consumers) {
        const auto counts = c.from->counts();
        EXPECT_EQ(counts.offered, admitted.accepted) << c.from->label();
        EXPECT_EQ(c.taken + counts.dropped(), counts.offered) << c.from->label();
    }
}

}  // namespace
}  // namespace faceflow
