//! What can be wrong with a store.

/// Lists the faults once.
macro_rules! faults {
    ($($fault:ident)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Fault {
            $($fault,)*
        }

        impl Fault {
            pub(super) const ALL: &[Self] = &[$(Self::$fault,)*];
        }
    };
}

faults! {
    // Sessions
    LosesTheDevice
    LosesTheAddress
    LosesTheProof
    RemembersEverySession
    CountsInSeconds
    FindsOneOfSeveral
    FindsMoreThanAsked
    ListsInAnyOrder
    ListsEverybodysSessions
    RenewsWhatIsNotThere
    RenewsHalf
    RenewsAndRemembers
    RenewsInTwoSteps
    IgnoresTheOwner
    IgnoresTheException
    SparesEverybodysException
    DeletesNothing
    SweepsTheLastMoment
    RemovesTheLastMomentByItself
    SaysThatItIsDown
    IsDegradedForNoReason
    CallsItselfByAnotherName
    SweepsWithoutLimit

    // Sessions that end others
    ReplacesNothing
    ReplacesItsOwnOnly
    InsistsOnWhatItReplaces
    ReplacesWhenItRefuses
    LimitsByAge
    LimitsTheNewest
    LimitsTheUnexpiredFirst
    LimitsTheLastMoment
    LimitsOneMore
    LimitsEverybody
    LimitsInTwoSteps
    LimitsWhenItRefuses
    LimitsNothing
    NamesNoSessionInExcess
    NamesWhatIsReplaced
    CountsWhatIsReplaced

    // Rotation
    RotatesWhatIsNotThere
    RotatesAndKeepsTheOld
    RotatesAndDoesNotRenew
    RotatesAsAProof
    RotatesAndForgetsTheProof
    RotatesAndRemembers
    RotatesAndForgetsTheRest
    RotatesInTwoSteps

    // Attributes of sessions
    ReturnsASessionAsItWasGiven
    ForgetsTheDefaultsOfSessions
    UpdatesTheWholeSession
    UpdatesASessionThatIsNotThere
    EmptiesASession
    WritesItsOwnColumns
    TakesAnyAttributeOfASession
    TakesNothingForSomething

    // Users
    ForgetsTheDefaultsOfUsers
    FindsUsersOfAnyCase
    FindsOneOfSeveralUsers
    FindsMoreUsersThanAsked
    ForgetsTheKey
    LeavesTheUserOfATakenKey
    LooksAtTheNameBeforeTheKey
    TakesATakenName
    TakesATakenId
    TakesNobodysName
    SignsUpInTwoSteps
    TakesAnyAttributeOfAUser
    WritesTheId
    NamesNoColumn
    ShowsValues
    UpdatesTheWholeUser
    UpdatesAUserWhoIsNotThere
    UpdatesToATakenName
    LeavesTheKeysOfAUser
    LeavesTheSessionsOfAUser
    DeletesAUserAsTheyWere
    DeletesSessionsBeforeTheirUser
    DescribesTooLittle
    DescribesNobody

    // Keys
    TakesKeysOfNobody
    TakesATakenKey
    LosesThePassword
    LosesTheVerification
    VerifiesNoKey
    VerifiesAgain
    VerifiesAllKeys
    RenamesAndForgetsThePassword
    RenamesAndVerifiesNothing
    RenamesAndKeepsTheOld
    RenamesToATakenKey
    RenamesInTwoSteps
    RenamesWithoutTheNote
    NotesWhatItDoesNotRename
    KeepsTheFormerNote
    ReplacesANoteThatIsInUse
    NotesInTwoSteps
    WritesInTwoSteps
    WritesByNothing
    WritesByThatOfAnybody
    WritesNoKey
    WritesAKeyOfAnybody
    WritesAnUnknownKey
    SetsAPasswordOverAnother
    ListsEverybodysKeys
    KeepsThePassword
    SwapsWhateverIsThere
    TakesNoPasswordForAny
    UpdatesAnUnknownKey
    UpdatesAKeyOfAnybody
    SwapsThePasswordOfAnybody
    DeletesTheLastKey
    NeverDeletesTheLastKey
    CountsEverybodysKeys
    TakesAnUnknownKeyForTheLast
    DeletesNoKey
    NamesAnotherOwner
    DeletesKeysInTwoSteps
    DeletesNoKeyOfItsUser
    DeletesTheLastKeyOfItsUser

    // Attempts to sign in
    CountsAllAttemptsTogether
    AdmitsOneAttemptMore
    EndsACountAMomentLater
    NeverEndsACount
    BelievesEveryClock
    BelievesNoClockThatIsAhead
    CountsAttemptsInTwoSteps
    BelievesTheClockOfTheAttempt
    ExtendsACount
    ExtendsACountFromNowOn
    ExtendsNoCount
    ExtendsCountsForTheRefused
    CutsCountsShort
    CountsByTheFirstLimit
    MovesTheStart
    CountsTheRefused
    TellsTheEndOfItsOwn
    TakesNoAttemptBack
    TakesAllAttemptsBack
    KeepsCountsOfNothing
    TakesAttemptsBackOutOfAnyCount
    TakesNoAttemptBackOnceExtended
    DeletesCountsWithoutLimit
    LeavesCountsOfTheLastMoment
    LeavesCountsOfAWrongClock
    DeletesCountsThatGoOn

    // Their places
    CountsForNoClient
    CountsForTheClientBehindTheKey
    CountsForTheClientByTheOtherLimit
    TellsTheEndOfAnotherPlace
    NamesNoPlaceOfTheClient
    TakesTheRefusedBackForTheClient
    CountsInTheFirstPlaceAlone
    CountsInBothPlacesOrNone
    CountsInBothPlacesByOneLimit
    CountsByTheKeyAsAsked
    CountsTheRefusedInTheSecondPlace
    LooksForTheKeyOfTheRefused
    FindsNoKeyOfAnAttempt
    TakesTheFirstPlaceBackAlone
    TakesTheSecondPlaceBackAlone

    // One-time tokens
    LosesTheUserOfAToken
    LosesTheHashOfACode
    LosesTheDataOfAToken
    StoresTokensOfNobody
    StoresTokensBesideADeletion
    ReplacesNoTokens
    ReplacesTokensUnasked
    ReplacesTokensOfAnyPurpose
    ReplacesEverybodysTokens
    ReplacesTokensInTwoSteps
    KeepsTheFormerCode
    KeepsTheTriesOfTheFormerCode
    TakesATokenByLooking
    TakesATokenAgainAndAgain
    TakesATokenInTwoSteps
    TakesACodeByAnyHash
    TakesACodeAsALink
    TriesALink
    TriesACodeOnceMore
    TriesACodeInTwoSteps
    CountsNoTries
    TellsTheTriesBefore
    LeavesTheTokensOfAUser
    DeletesNoTokens
    DeletesEverybodysTokens
    DeletesTokensWithoutLimit
    DeletesTokensThatWork
    LeavesTokensOfTheLastMoment

    // Mails
    LosesTheHtmlOfAMail
    LosesTheExpiryOfAMail
    ReplacesMails
    ClaimsLate
    ClaimsWhatIsNotDue
    ClaimsInAnyOrder
    ClaimsMailsInTwoSteps
    ClaimsForNoTime
    CountsNoClaims
    TellsTheMailBefore
    PutsOffWhatIsNotThere
    PutsOffByAnyClaim
    CountsWhatIsPutOff
    DeletesMailsThatAreNotThere
    KeepsClaimedMails
    DeletesAllMails

    // Credentials
    LosesTheNameOfACredential
    LosesTheLastUseOfACredential
    KeepsTheFormerCredential
    KeepsTheTimesOfTheFormerCredential
    ReplacesCredentialsOfAnybody
    ReplacesCredentialsOfAnyKind
    SaysThatItStoredACredential
    StoresCredentialsOfNobody
    StoresCredentialsBesideADeletion
    ListsCredentialsInAnyOrder
    ListsEverybodysCredentials
    ListsCredentialsOfAnyKind
    SwapsDataThatHasChanged
    SwapsNoData
    SwapsDataInTwoSteps
    SwapsAndForgetsTheUse
    SwapsAndForgetsTheFormerUse
    SwapsWhatIsNotThere
    DeletesCredentialsOfAnybody
    DeletesCredentialsThatHaveChanged
    DeletesNoCredentialByItsData
    DeletesAllCredentials
    DeletesCredentialsThatAreNotThere
    LeavesTheCredentialsOfAUser

    // Both together
    TakesSessionsOfNobody
    HidesTheExpired
    MixesUpUsers
    FindsOneOfSeveralWithItsUser
    HidesTheExpiredOfSeveral
    MixesUpUsersOfSeveral
    FailsForWhatIsNotThere
    BeginsByNoKey
    BeginsByAnyKey
    BeginsByAnyHash
    BeginsWithoutThePassword
    BeginsWheneverItWasVerified
    BeginsByAPasswordAsItWasVerified
    BeginsByTheKeyOfSomebodyElse
    BeginsInTwoSteps
    BeginsAndEndsNothing
    ReplacesWhenTheKeyIsRefused
    ChangesEverybodysPassword
    ChangesNoPassword
    ChangesWhateverPassword
    ChangesWhereNoneWasVerified
    ChangesAfterItHasCompared
    ChangesThePasswordFirst
    EndsNoSession
    EndsEverybodysSessions
    EndsTheSessionToKeep
    KeepsTheSessionUnderItsOldId
    KeepsTheSessionOfAnybody
    ChangesPasswordsInTwoSteps
    ClaimsByAnyKey
    ClaimsBesideAVerifiedKey
    ClaimsBesideAKeyWithoutAPassword
    ClaimsBesideAnybodysKeys
    ClaimsBesideANote
    ClaimsNotBesideAnOldNote
    ClaimsNotBesideAnyNote
    ClaimsBesideWhatCameMeanwhile
    ClaimsWhereTheLinkIsGone
    RefusesAndTakesTheLink
    RefusesBeforeItLooksForTheLink
    ClaimsEverybody
    ClaimsAndKeepsOtherPasswords
    ClaimsAndKeepsTheSessions
    ClaimsAndKeepsTheTokens
    ClaimsAndVerifiesAllKeys
    ClaimsAndVerifiesNothing
    ClaimsInTwoSteps
    ClaimsTheKeysThatItKnew
    ClaimsAndKeepsAddedKeys
    ClaimsAndDeletesAllKeys
    ClaimsAndKeepsVerifications
    ClaimsAndVerifiesNoOther
    ClaimsAndKeepsItsToken
    ClaimsByAnyToken
    ClaimsWhatAnotherHasVerified
    ClaimsForNobody
    NamesNoDeletedKey
}
