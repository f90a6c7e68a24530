#pragma once

struct names_core_layer : names {
    using names::names;
    struct {
        weft::awaitable<std::string> serve(std::string text) const { co_return text; }
    } echo;
    struct {
        weft::awaitable<int> serve(int n) const { co_return n; }
    } service;
    struct {
        bool limited = true;
    } config;
};
