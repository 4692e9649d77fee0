// SPDX-License-Identifier: Apache-2.0
// What an owner and a stage process tell each other, and what each refuses of the other.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <vector>

#include "backends/open_devices.hpp"
#include "flow/multi_process/exported_slabs.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "flow/option_table.hpp"
#include "stage_hello.hpp"
#include "support.hpp"

namespace faceflow::internal::flow {
namespace {

TEST(stage_protocol, a_greeting_comes_through_as_it_was) {
    stage_hello h = cpu_hello(stage_role::landmark, 4);
    h.chosen.detect_every = 7;
    h.chosen.min_score = 0.25f;
    h.chosen.tuning.pinned = false;
    h.chosen.link = "pcie3";
    const auto read = read_hello(to_json(h));
    ASSERT_OK(read);
    EXPECT_EQ(read->role, stage_role::landmark);
    EXPECT_EQ(read->buffers, 4u);
    EXPECT_EQ(read->chosen.detect_every, 7);
    EXPECT_EQ(read->chosen.min_score, 0.25f);
    EXPECT_FALSE(read->chosen.tuning.pinned);
    EXPECT_EQ(read->chosen.link, "pcie3");
    EXPECT_EQ(to_json(*read), to_json(h));
}

// Another value than the default.
struct changed {
    void operator()(bool& x) const { x = !x; }
    void operator()(std::string& x) const { x += " otherwise"; }
    void operator()(std::filesystem::path& x) const { x = "/some/where else"; }
    template <class Number>
    requires std::is_arithmetic_v<Number>
    void operator()(Number& x) const { x = static_cast<Number>(x + 3); }
    template <class Enum>
    requires std::is_enum_v<Enum>
    void operator()(Enum& x) const { x = static_cast<Enum>(1 - static_cast<int>(x)); }
};

TEST(stage_protocol, every_option_reaches_the_stage) {
    stage_hello h;
    const options usual;
    for_each_option([&](const auto& row) { changed()(row.of(h.chosen)); });
    const auto read = read_hello(to_json(h));
    ASSERT_OK(read);
    EXPECT_EQ(read->chosen.stage_timeout, usual.stage_timeout + 3);
    for_each_option([&](const auto& row) {
        // Of what nobody changed, a stage would have the default: it must be seen to be another.
        EXPECT_NE(row.of(h.chosen), row.of(usual)) << row.name << " was not changed";
        EXPECT_EQ(row.of(read->chosen), row.of(h.chosen)) << row.name << " did not arrive";
    });
}

TEST(stage_protocol, another_version_or_layout_is_refused_by_name) {
    const auto refused = [](const std::function<void(nlohmann::json&)>& change) {
        auto j = nlohmann::json::parse(to_json(cpu_hello(stage_role::detect, 0)));
        change(j);
        const auto read = read_hello(j.dump());
        EXPECT_FALSE(read);
        return read ? std::string() : read.error().message;
    };
    EXPECT_NE(refused([](auto& j) { j["protocol"] = 99; }).find("version 99"), std::string::npos);
    EXPECT_NE(refused([](auto& j) { j["version"] = "9.9.9"; }).find("9.9.9"), std::string::npos);
    EXPECT_NE(refused([](auto& j) { j["layout"]["record"] = 1; }).find("memory"), std::string::npos);
    EXPECT_NE(refused([](auto& j) { j["role"] = "paint"; }).find("paint"), std::string::npos);
    EXPECT_NE(refused([](auto& j) { j.erase("options"); }).find("no sense"), std::string::npos);
    EXPECT_FALSE(read_hello("{"));
    EXPECT_FALSE(read_hello(""));
}

TEST(stage_protocol, a_picture_that_is_none_is_refused) {
    EXPECT_OK(picture_of(facts_of(test::random_picture(pixel_format::nv12, 64, 48, 1).view)));
    picture_facts f = facts_of(test::random_picture(pixel_format::nv12, 64, 48, 1).view);
    for (const auto& change : std::vector<std::function<void(picture_facts&)>>{
             [](picture_facts& p) { p.format = 200; }, [](picture_facts& p) { p.matrix = 9; },
             [](picture_facts& p) { p.range = 9; }, [](picture_facts& p) { p.turn = 9; },
             [](picture_facts& p) { p.width = 0; }, [](picture_facts& p) { p.height = -4; },
             [](picture_facts& p) { p.width = 1 << 20; }}) {
        picture_facts changed = f;
        change(changed);
        EXPECT_FALSE(picture_of(changed));
    }
}

// The owner's end: what a reply refers to is held against what was exported and is in use.
class replies : public testing::Test {
protected:
    void SetUp() override {
        for (const std::size_t bytes : {std::size_t{128} << 10, std::size_t{256} << 10})
            held.push_back(lease::acquire(slab::create(*devices.front(), bytes, 2).value()).value());
        call.serial = 6;
        call.frame = reply.frame = slabs.name_of(held[0]).value();
        call.memory = reply.memory = slabs.name_of(held[1]).value();
        reply.serial = 6;
    }
    bool refused(const std::function<void(stage_reply&)>& change) {
        stage_reply changed = reply;
        change(changed);
        const auto r = check_reply(call, changed, &slabs);
        EXPECT_TRUE(r || r.error().code == errc::corrupt);
        return !r;
    }

    std::vector<std::unique_ptr<device>> devices = std::move(*open_devices({"cpu", 256u << 20, "none"}));
    exported_slabs slabs{*devices.front()};
    std::vector<lease> held;
    stage_call call;
    stage_reply reply;
};

TEST_F(replies, about_uses_that_last_are_taken) {
    EXPECT_OK(check_reply(call, reply, &slabs));
}

TEST_F(replies, about_anything_else_are_refused) {
    EXPECT_TRUE(refused([](auto& r) { r.serial = 4; })) << "replayed";
    EXPECT_TRUE(refused([](auto& r) { --r.frame.generation; })) << "of an earlier use";
    EXPECT_TRUE(refused([](auto& r) { ++r.frame.generation; })) << "of a use that never was";
    EXPECT_TRUE(refused([](auto& r) { r.frame.slot = 1; }));
    EXPECT_TRUE(refused([](auto& r) { r.memory.slab = no_slab; }));
    EXPECT_TRUE(refused([](auto& r) { std::swap(r.frame, r.memory); }));
    EXPECT_FALSE(refused([](auto& r) {
        r.status = 1;
        r.frame = r.memory = {};
    })) << "one that refuses the call names nothing";
}

TEST_F(replies, about_a_use_that_is_over_are_refused) {
    const slot_name was = call.frame;
    held[0].reset();
    EXPECT_FALSE(slabs.current(was));
    EXPECT_FALSE(check_reply(call, reply, &slabs));
    held[0] = lease::acquire(held[1].source()).value();
    EXPECT_FALSE(slabs.current(was));
    EXPECT_FALSE(slabs.current({was.slab, 77, was.generation}));
    EXPECT_FALSE(slabs.current({99, was.slot, was.generation}));
}

}  // namespace
}  // namespace faceflow::internal::flow
